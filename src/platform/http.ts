/** The platform over HTTP (docs/protocol.md, "Create", "List", "Decide"). */
import { ApprovalError } from "../domain/errors.ts";
import type { CreateAnswer, DecideAnswer, Listing, NewApproval, Platform } from "../domain/platform-port.ts";
import type { Outcome } from "./exchange.ts";
import { isApprovalId, isFields } from "./fields.ts";
import { decodeUtf8, parseJson } from "./json.ts";
import { decodeListing } from "./listing.ts";
import { httpDateMs, retryAfterMs } from "./retry-after.ts";
import { createSender, isAuthRefusal, type Credentials } from "./sender.ts";
import { approvalsPath, baseUrl, idsQuery } from "./url.ts";

export interface PlatformOptions extends Credentials {
  /** PLATFORM_URL: http or https; a path prefix is kept, a trailing slash, query and credentials are dropped. */
  readonly url: string;
  /** Called when the platform's state changes: with the problem in one line, or with `undefined` when all is well again. */
  readonly onHealth?: ((problem: string | undefined) => void) | undefined;
  /** Limit of one call in milliseconds, its body included. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

const LIST_BYTES = 16 * 1024 * 1024;
const OTHER_BYTES = 1024 * 1024;
const CHECK_URL = "check that PLATFORM_URL points at the platform itself";
type Answer = Extract<Outcome, { kind: "answer" }>;

/**
 * A client of the platform. Every call has one limit of time and one of size, and follows no redirect.
 * An abort is told as a failure by `create`, which then may have created something or not; `list` and `decide` throw the signal's reason.
 * All throw ERR_REQUEST_INVALID for an id that cannot stand in a path.
 */
export function createPlatform(options: PlatformOptions): Platform {
  const base = baseUrl(options.url);
  const sender = createSender(base.startsWith("https:"), options, options.timeoutMs ?? 10_000);
  let health: string | undefined;
  let quietUntil = 0;

  function report(problem: string | undefined): void {
    if (problem === health) return;
    health = problem;
    options.onHealth?.(problem);
  }

  async function create(workspaceId: string, approval: NewApproval, signal?: AbortSignal): Promise<CreateAnswer> {
    const url = base + approvalsPath(workspaceId);
    const body = JSON.stringify(approval);
    const outcome = await sender.send({ method: "POST", url, body, readBodyOf: 201, maxBytes: OTHER_BYTES, signal });
    if (outcome.kind === "failure") {
      if (signal?.aborted !== true) report(told(`POST ${url}`, outcome));
      return {
        kind: outcome.sent ? "ambiguous" : "unavailable",
        error: `Failed to request approval: ${outcome.cause}`,
      };
    }
    const { status } = outcome;
    if (status === 201) {
      const approvalId = approvalIdOf(outcome);
      report(approvalId === undefined ? `POST ${url} answered 201 without an approval id; ${CHECK_URL}` : undefined);
      if (approvalId !== undefined) return { kind: "created", approval_id: approvalId };
      return { kind: "ambiguous", error: "Platform returned invalid JSON (status 201)" };
    }
    // A 400 is this request's trouble, not the platform's.
    if (status !== 400) report(told(`POST ${url}`, outcome));
    const error = `Failed to create request: ${status}`;
    if (status === 429) return { kind: "busy", error, retry_after_ms: retryAfterOf(outcome) };
    if (isPassing(status)) return { kind: "unavailable", error };
    return { kind: isRefusal(status) ? "refused" : "ambiguous", error };
  }

  async function list(workspaceId: string, ids: readonly string[] = [], signal?: AbortSignal): Promise<Listing> {
    const url = base + approvalsPath(workspaceId);
    const request = `GET ${url}`;
    const quietMs = quietUntil - performance.now();
    if (quietMs > 0) {
      const why = `the platform asked for ${Math.ceil(quietMs / 1_000)} s of quiet (429)`;
      throw new ApprovalError("ERR_PLATFORM_UNREACHABLE", `${request} was not sent: ${why}; ask again then`);
    }
    const call = { method: "GET", url: url + idsQuery(ids), readBodyOf: 200, maxBytes: LIST_BYTES, signal } as const;
    const answer = answerOf(request, await sender.send(call), signal);
    if (answer.status === 429) quietUntil = performance.now() + retryAfterOf(answer);
    if (answer.status !== 200) throw refusal(request, answer);
    const listing = reading(request, () => decodeListing(valueOf(answer), answer.headers.date, workspaceId));
    report(undefined);
    return listing;
  }

  async function decide(
    workspaceId: string,
    approvalId: string,
    decision: "approved" | "denied",
    decidedBy: string,
    signal?: AbortSignal,
    comment?: string,
  ): Promise<DecideAnswer> {
    const url = base + approvalsPath(workspaceId, approvalId);
    const request = `POST ${url}`;
    const body = JSON.stringify({ decision, decided_by: decidedBy, comment });
    const call = { method: "POST", url, body, readBodyOf: 200, maxBytes: OTHER_BYTES, signal } as const;
    const answer = answerOf(request, await sender.send(call), signal);
    if (answer.status === 404) return { kind: "not_pending" };
    // No word to health: who may decide differs from platform to platform, and the list still works.
    if (isRefusal(answer.status)) return { kind: "refused", error: told(request, answer) };
    if (answer.status !== 200) throw refusal(request, answer);
    // A proxy that answers everything with a page has decided nothing, so a 200 counts only with a body of the platform's.
    const status = reading(request, () => statusOf(valueOf(answer)));
    return status === undefined || status === decision ? { kind: "decided" } : { kind: "not_pending" };
  }

  function answerOf(request: string, outcome: Outcome, signal: AbortSignal | undefined): Answer {
    if (outcome.kind === "answer") return outcome;
    signal?.throwIfAborted();
    const line = told(request, outcome);
    report(line);
    throw new ApprovalError("ERR_PLATFORM_UNREACHABLE", line);
  }

  function refusal(request: string, answer: Answer): ApprovalError {
    const line = told(request, answer);
    report(line);
    if (answer.status === 429 || isPassing(answer.status)) return new ApprovalError("ERR_PLATFORM_UNREACHABLE", line);
    return new ApprovalError(isRefusal(answer.status) ? "ERR_PLATFORM_REFUSED" : "ERR_PLATFORM_UNREADABLE", line);
  }

  function reading<T>(request: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      const line = `${request} answered something unreadable: ${(error as Error).message}; ${CHECK_URL}`;
      report(line);
      throw new ApprovalError("ERR_PLATFORM_UNREADABLE", line);
    }
  }

  /** What was asked, what came back, what to do, in one line. */
  function told(request: string, outcome: Outcome): string {
    if (outcome.kind === "failure")
      return `${request} failed: ${outcome.cause}; check PLATFORM_URL and that the platform is up`;
    const { status } = outcome;
    let advice = CHECK_URL;
    if (isAuthRefusal(status))
      advice = options.token.current() === undefined ? "no token is configured, set one" : "check the token";
    if (status === 403) advice += ", and PLATFORM_ORIGIN";
    if (status === 429) advice = "too many requests, ask again later";
    if (isPassing(status)) advice = "look at the platform's log";
    return `${request} answered ${status}; ${advice}`;
  }

  return { create, list, decide };
}

/** Statuses after which asking again may help: 408, 425, 5xx. */
function isPassing(status: number): boolean {
  return status === 408 || status === 425 || (status >= 500 && status < 600);
}

/** Any other 3xx or 4xx but 429: asking again is pointless. */
function isRefusal(status: number): boolean {
  return status >= 300 && status < 500 && status !== 429 && !isPassing(status);
}

function retryAfterOf(answer: Answer): number {
  return retryAfterMs(answer.headers["retry-after"], httpDateMs(answer.headers.date) ?? Date.now());
}

function approvalIdOf(answer: Answer): string | undefined {
  try {
    const value = valueOf(answer);
    return isFields(value) && isApprovalId(value["approval_id"]) ? value["approval_id"] : undefined;
  } catch {
    return undefined;
  }
}

function statusOf(value: unknown): unknown {
  if (!isFields(value)) throw unreadable("the text is not a JSON object");
  return value["status"];
}

function valueOf(answer: Answer): unknown {
  if (answer.body === undefined) throw unreadable(answer.problem ?? "there is no body");
  return parseJson(decodeUtf8(answer.body));
}

function unreadable(problem: string): ApprovalError {
  return new ApprovalError("ERR_PLATFORM_UNREADABLE", problem);
}
