/**
 * Every name that crosses a process boundary: workflow ids, task ids, queues, signals, deciders.
 * Renaming one of them breaks running workflows; test/decision.test.ts asserts them.
 */

export const REQUEST_APPROVAL = "requestApproval";
export const WATCH_DECISIONS = "watchDecisions";

/** Signal to `requestApproval`: somebody heard of a decision. */
export const DECIDED_SIGNAL = "decided";
/** Signals to `watchDecisions`. */
export const WAKE_SIGNAL = "wake";
export const CONNECTED_SIGNAL = "connected";
export const LATE_SIGNAL = "late";
/** Query of both workflows. */
export const STATE_QUERY = "state";

/** Memo key that holds the SHA-256 of `{action, reason, context}`, hex. */
export const CONTENT_MEMO = "content_sha256";
/** Memo key that holds the approval id, for platforms that do not echo `task_id`. */
export const APPROVAL_MEMO = "approval_id";

/** Deciders that are Countersign itself: never a person's no, and never a grant. */
export const OWN_DECIDER_PREFIX = "countersign:";
export type Withdrawer =
  | "countersign:timed_out"
  | "countersign:cancelled"
  | "countersign:duplicate"
  | "countersign:orphaned"
  | "countersign:failed";
/** The platform's own decider for an approval that nobody answered in time (docs/protocol.md, "Expiry"). */
export const AUTO_EXPIRED = "auto-expired";

const ID = /^[A-Za-z0-9._-]{1,128}$/;

/** True for a legal workspace id or request id. `.` and `..` are refused: they would change a URL's path. */
export function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value) && value !== "." && value !== "..";
}

/** `approval:<workspace_id>:<request_id>` */
export function approvalWorkflowId(workspaceId: string, requestId: string): string {
  return `approval:${workspaceId}:${requestId}`;
}

/** `watch:<workspace_id>` */
export function watchWorkflowId(workspaceId: string): string {
  return `watch:${workspaceId}`;
}

/** `<workflow id>#<first execution run id>`: what the platform stores as `task_id`. */
export function taskId(workflowId: string, firstRunId: string): string {
  return `${workflowId}#${firstRunId}`;
}

const TASK_ID = /^(approval:([A-Za-z0-9._-]{1,128}):[A-Za-z0-9._-]{1,128})#([A-Za-z0-9-]{1,64})$/;

/** The parts of a task id of this workspace; `undefined` for any other text, which comes from outside and is never signalled. */
export function parseTaskId(
  text: string | undefined,
  workspaceId: string,
): { readonly workflowId: string; readonly firstRunId: string } | undefined {
  const match = text === undefined ? null : TASK_ID.exec(text);
  if (match === null || match[2] !== workspaceId) return undefined;
  return { workflowId: match[1] as string, firstRunId: match[3] as string };
}

/** The queue of the workflows and activities of one workspace, where no other is configured. */
export function defaultTaskQueue(workspaceId: string): string {
  return `approvals-${workspaceId}`;
}

/** The queue on which the bridge takes its streams. */
export function bridgeTaskQueue(taskQueue: string): string {
  return `${taskQueue}-bridge`;
}

/** True where `decided_by` names Countersign itself. Lenient about case and leading space, because a lenient match refuses more. */
export function isOwnDecider(decidedBy: string): boolean {
  return decidedBy.trimStart().toLowerCase().startsWith(OWN_DECIDER_PREFIX);
}

/** What COUNTERSIGN_HINT_KEY signs. */
export function proofText(taskIdText: string, approvalId: string, status: string, decidedBy: string): string {
  return `${taskIdText}|${approvalId}|${status}|${decidedBy}`;
}
