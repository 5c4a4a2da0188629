/** Creates the approval on the platform, effectively once, however often it is attempted. */
import { ApplicationFailure } from "@temporalio/common";
import { activityInfo, Context, heartbeat, type Info } from "@temporalio/activity";
import { requestedRecord, type AuditRecord } from "../domain/audit-record.ts";
import { parseTime } from "../domain/deadline.ts";
import type { CreateAnswer, Listing, Platform } from "../domain/platform-port.ts";
import type { ApprovalActivities, Created, CreateInput } from "../domain/ports.ts";
import { cancellationSignal } from "./activity-edge.ts";
import { ownItems } from "./own-items.ts";
import { pause } from "./pause.ts";

/** How long one attempt goes on asking, at most. */
const BUDGET_MS = 30_000;
/** What a call is given even where the budget is used up: a platform that hangs must not hold the request beyond its timeout. */
const LEAST_CALL_MS = 2_000;
const FIRST_HEARTBEAT_MS = 2_000;
const HEARTBEAT_MS = 1_000;

export interface CreateDependencies {
  readonly platform: Platform;
  /** Brings the watch of the workspace up; returns at once and never fails. */
  readonly wake: (input: CreateInput) => void;
  /** Writes the `requested` record; false where it could not. */
  readonly record: (record: AuditRecord, required: boolean) => Promise<boolean>;
}

export function createCreateApproval(deps: CreateDependencies): ApprovalActivities["createApproval"] {
  return async (input) => {
    deps.wake(input);
    const stopHeartbeat = startHeartbeat();
    try {
      const created = await attempt(deps.platform, input);
      if (created.kind === "failed") return created;
      const record = requestedRecord(input, created.approval_id, input.reason, input.timeout_seconds);
      return { ...created, recorded: await deps.record(record, input.audit_required) };
    } finally {
      stopHeartbeat();
    }
  };
}

type Unrecorded = Omit<Extract<Created, { kind: "created" }>, "recorded"> | Extract<Created, { kind: "failed" }>;

async function attempt(platform: Platform, input: CreateInput): Promise<Unrecorded> {
  const signal = cancellationSignal();
  const info = activityInfo();
  const timeoutMs = input.timeout_seconds * 1_000;
  const budgetEnd = Date.now() + Math.min(BUDGET_MS, timeoutMs);
  const overdueAt = info.scheduledTimestampMs + timeoutMs;
  const limited = () => AbortSignal.any([signal, AbortSignal.timeout(Math.max(LEAST_CALL_MS, budgetEnd - Date.now()))]);

  const past = pastOf(info);
  if (past !== undefined && Date.now() >= overdueAt && past.kind !== "ambiguous")
    return { kind: "failed", error: past.error };
  // An attempt that died may have created it, and is treated like an answer that got lost.
  let answer: CreateAnswer | undefined = past?.kind === "ambiguous" ? past : undefined;
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 8_000)) {
    // An ambiguous answer is not repeated before the list has said that nothing came of it.
    if (answer?.kind !== "ambiguous") {
      answer = await platform.create(input.workspace_id, requestBody(input), limited());
    }
    if (signal.aborted) throw ApplicationFailure.retryable("the worker is shutting down", "ERR_SHUTDOWN");
    if (answer.kind === "created") {
      return { kind: "created", approval_id: answer.approval_id, elapsed_ms: 0, duplicates: [] };
    }
    if (answer.kind === "refused") return { kind: "failed", error: answer.error };
    if (answer.kind === "busy") throw busy(answer.error, Math.min(answer.retry_after_ms, overdueAt - Date.now()));

    const listing = await lookUp(platform, input, limited());
    const adopted = adopt(listing, input, info.scheduledTimestampMs);
    if (adopted !== undefined) return adopted;
    const over = Date.now() + pauseMs >= budgetEnd || (info.attempt > 1 && Date.now() >= overdueAt);
    if (over || (answer.kind === "ambiguous" && listing?.echoes === false))
      return { kind: "failed", error: answer.error };
    if (listing !== undefined && answer.kind === "ambiguous") answer = { kind: "unavailable", error: answer.error };
    await pause(pauseMs, signal);
  }
}

/** What the attempt before this one came to: it says so in its last heartbeat, or it died. */
function pastOf({ attempt, heartbeatDetails }: Info): { kind: "ambiguous" | "unavailable"; error: string } | undefined {
  if (attempt === 1) return undefined;
  const said = heartbeatDetails as Partial<Said> | undefined;
  return said?.attempt === attempt - 1 && typeof said.error === "string"
    ? { kind: "unavailable", error: said.error }
    : { kind: "ambiguous", error: "Failed to request approval: the worker died while it asked" };
}

function requestBody({ action, reason, task_id, context, timeout_seconds }: CreateInput) {
  return { action, reason, task_id, ...(context === undefined ? {} : { context }), timeout_seconds };
}

async function lookUp(platform: Platform, input: CreateInput, signal: AbortSignal): Promise<Listing | undefined> {
  return await platform.list(input.workspace_id, [], signal).catch(() => undefined);
}

/** The oldest of our approvals, with how long it has stood by the platform's own clock. */
function adopt(listing: Listing | undefined, input: CreateInput, scheduledMs: number): Unrecorded | undefined {
  if (listing === undefined) return undefined;
  const created = (text: string | undefined) => parseTime(text) ?? Infinity;
  const [oldest, ...others] = [...ownItems(listing, input.task_id, [])].sort(
    (a, b) => created(a.created_at) - created(b.created_at),
  );
  if (oldest === undefined) return undefined;
  const createdMs = parseTime(oldest.created_at);
  const elapsed =
    createdMs === undefined || listing.date_ms === undefined ? Date.now() - scheduledMs : listing.date_ms - createdMs;
  return {
    kind: "created",
    approval_id: oldest.approval_id,
    elapsed_ms: Math.max(0, Math.ceil(elapsed)),
    duplicates: others.filter((item) => item.status === "pending").map((item) => item.approval_id),
  };
}

/** 429 ends the attempt; the next one is told by the heartbeat that nothing was created, and why. */
function busy(error: string, delayMs: number): ApplicationFailure {
  const said: Said = { attempt: activityInfo().attempt, error };
  heartbeat(said);
  return ApplicationFailure.create({
    message: error,
    type: "ERR_PLATFORM_UNREACHABLE",
    nextRetryDelay: Math.max(1, delayMs),
    category: "BENIGN",
  });
}

interface Said {
  readonly attempt: number;
  readonly error: string;
}

function startHeartbeat(): () => void {
  const context = Context.current();
  let interval: NodeJS.Timeout | undefined;
  // Most creations are over by then, and each heartbeat costs an Action.
  const first = setTimeout(() => {
    context.heartbeat();
    interval = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  }, FIRST_HEARTBEAT_MS);
  return () => {
    clearTimeout(first);
    clearInterval(interval);
  };
}
