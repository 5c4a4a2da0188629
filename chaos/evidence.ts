/** Gathers what the checker judges: from Temporal, from the disk, from the platform and from every output. */
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { defaultPayloadConverter, WorkflowNotFoundError, type Client } from "@temporalio/client";
import { until } from "../test/support/until.ts";
import type { PlatformApproval } from "../test/support/platform-store.ts";
import type { Stack } from "../test/support/stack.ts";
import type { Attempt, Book, Evidence, RequestEvidence, Told } from "./witness.ts";

/** What the driver did, which nobody else knows. */
export interface Ledger {
  readonly asked: readonly Omit<RequestEvidence, "stored">[];
  readonly attempts: readonly Attempt[];
  readonly book: Book | undefined;
  /** With which people decide over HTTP, so that they can be told from us; absent where nobody does. */
  readonly people_token: string | undefined;
  /** What stands on a platform that is not the stack's own. Who has listed there cannot be seen. */
  readonly standing: (() => Promise<readonly PlatformApproval[]>) | undefined;
  readonly up_ms: number;
  readonly grace_ms: number;
  readonly trail_is_whole: boolean;
  /** Secrets beside the platform's token. */
  readonly secrets: readonly string[];
  /** Of the processes. */
  readonly outputs: readonly { readonly from: string; readonly text: string }[];
}

/** Waits for the end of every request, but no longer than it may take. */
export async function gather(stack: Stack, ledger: Ledger): Promise<Evidence> {
  const outputs = [...ledger.outputs, { from: "the log", text: stack.log.join("\n") }];
  const requests: RequestEvidence[] = [];
  for (const request of ledger.asked) {
    const due = Math.max(request.started_ms + request.timeout_seconds * 1_000, ledger.up_ms) + ledger.grace_ms;
    const stored = await storedEnd(stack.temporal, request.workflow_id, due - Date.now(), outputs);
    requests.push({ ...request, stored });
    outputs.push({ from: `the results of ${request.workflow_id}`, text: JSON.stringify(request.results) });
  }
  const audit = await auditFiles(stack.config.audit.path);
  audit.forEach((text) => outputs.push({ from: "the audit log", text }));
  const { platform, workspaceId } = stack;
  const ofPeople = ledger.people_token === undefined ? undefined : `Bearer ${ledger.people_token}`;
  const ours = platform.requests.filter(({ headers }) => ofPeople === undefined || headers.authorization !== ofPeople);
  const listed_ms = ours
    .filter(({ method, path }) => method === "GET" && path.includes("/approvals"))
    .map(({ at }) => at);
  return {
    requests,
    audit,
    approvals: (await ledger.standing?.()) ?? platform.approvals(workspaceId),
    attempts: ledger.attempts,
    listed_ms: ledger.standing === undefined ? listed_ms : undefined,
    approved_by_us: ours.flatMap(({ method, path, body }) => {
      const [, id] = /\/approvals\/([^/]+)\/decide$/.exec(path) ?? [];
      return method === "POST" && id !== undefined && !body.includes("denied") ? [id] : [];
    }),
    ...(ledger.book === undefined ? {} : { book: ledger.book }),
    poll_interval_seconds: stack.config.pollIntervalSeconds,
    up_ms: ledger.up_ms,
    grace_ms: ledger.grace_ms,
    trail_is_whole: ledger.trail_is_whole,
    outputs,
    secrets: [stack.token, ...ledger.secrets],
  };
}

async function storedEnd(
  client: Client,
  workflowId: string,
  limitMs: number,
  outputs: { from: string; text: string }[],
): Promise<RequestEvidence["stored"]> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    await until(
      `${workflowId} is closed`,
      async () => (await handle.describe()).status.name !== "RUNNING",
      Math.max(limitMs, 1_000),
    ).catch((error: unknown) => {
      // The checker says so in its own words.
      if (error instanceof WorkflowNotFoundError) throw error;
    });
    const { status, closeTime } = await handle.describe();
    const { events } = await handle.fetchHistory();
    outputs.push({ from: `the history of ${workflowId}`, text: JSON.stringify(events, bytesAsText) });
    const payload = events?.at(-1)?.workflowExecutionCompletedEventAttributes?.result?.payloads?.[0];
    const result = payload == null ? undefined : defaultPayloadConverter.fromPayload<Told>(payload);
    return { status: status.name, closed_ms: closeTime?.getTime(), result };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

function bytesAsText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : value;
}

/** The log and what was rotated away from it: `audit.jsonl.1` before `audit.jsonl`. */
async function auditFiles(path: string): Promise<readonly string[]> {
  const names = await readdir(dirname(path)).catch(() => []);
  const name = basename(path);
  const rotated = names.filter((one) => one.startsWith(`${name}.rotated`)).toSorted();
  return [...rotated, ...names.filter((one) => one === name)].map((one) =>
    readFileSync(join(dirname(path), one), "utf8"),
  );
}
