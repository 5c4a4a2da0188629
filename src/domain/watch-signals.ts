/** The payloads of the watch's signals. They come over Temporal, so any shape can arrive; what does not fit is ignored. */
import type { Decision } from "./decision.ts";
import { isId } from "./names.ts";

/** Somebody waits, or a worker reports: keeps the watch up. */
export interface Wake {
  readonly poll_interval_seconds: number;
  readonly use_websocket: boolean;
  /** COUNTERSIGN_HEARTBEAT: how long a dead bridge may go unnoticed. */
  readonly heartbeat_seconds: number;
  /** Health of the sender: its identity and its problems, if it has any. */
  readonly worker?: { readonly identity: string; readonly problems: readonly string[] };
}

/** A stream is connected and has caught up. The ids tell a thawed bridge of an earlier run from today's. */
export interface Connected {
  readonly run_id: string;
  readonly activity_id: string;
}

/** A person decided an approval whose workflow had ended otherwise. */
export interface Late {
  readonly task_id: string;
  readonly trace_id: string;
  readonly workflow_id: string;
  readonly action: string;
  readonly decision: Decision;
}

export function parseWake(payload: unknown): Wake | undefined {
  const fields = fieldsOf(payload);
  if (fields === undefined) return undefined;
  const { poll_interval_seconds, use_websocket, heartbeat_seconds, worker } = fields;
  if (!isSeconds(poll_interval_seconds) || !isSeconds(heartbeat_seconds) || typeof use_websocket !== "boolean")
    return undefined;
  const sender = fieldsOf(worker);
  const wake = { poll_interval_seconds, use_websocket, heartbeat_seconds };
  if (sender === undefined) return wake;
  const { identity, problems } = sender;
  if (!isText(identity) || !Array.isArray(problems)) return undefined;
  return {
    ...wake,
    worker: { identity, problems: problems.slice(0, 20).map((problem) => String(problem).slice(0, 500)) },
  };
}

export function parseConnected(payload: unknown): Connected | undefined {
  const { run_id, activity_id } = fieldsOf(payload) ?? {};
  return isText(run_id) && isText(activity_id) ? { run_id, activity_id } : undefined;
}

export function parseLate(payload: unknown): Late | undefined {
  const { task_id, trace_id, workflow_id, action, decision } = fieldsOf(payload) ?? {};
  const { approval_id, status, decided_by, decided_at } = fieldsOf(decision) ?? {};
  if (!isText(task_id) || !isText(trace_id) || !isText(workflow_id) || !isText(approval_id)) return undefined;
  if (typeof action !== "string" || action.length > 8_192 || typeof decided_by !== "string") return undefined;
  if (status !== "approved" && status !== "denied") return undefined;
  return {
    task_id,
    trace_id,
    workflow_id,
    action,
    decision: {
      approval_id,
      status,
      decided_by: decided_by.slice(0, 1_024),
      ...(isText(decided_at) ? { decided_at } : {}),
      verified: true,
    },
  };
}

/** The input of the watch itself. */
export interface WatchInput {
  readonly workspace_id: string;
}

export function isWatchInput(input: unknown): input is WatchInput {
  return isId(fieldsOf(input)?.["workspace_id"]);
}

function fieldsOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 1_024;
}

function isSeconds(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value <= 86_400;
}
