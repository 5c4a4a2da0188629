/** The inbox's side of the wire: bodies it takes, items and events it gives (docs/protocol.md, "Create", "List", "Decide", "Events"). */
import { z } from "zod";
import type { Json } from "../domain/request.ts";
import type { Approval, Decision } from "./store.ts";

// The platform takes a JSON null for an absent field.
const text = z.string().nullish();

export const CREATE_BODY = z.object({
  action: z.string().min(1),
  reason: text,
  task_id: text,
  // Not walked: what JSON.parse made is JSON, and a deep walk could overflow the stack.
  context: z
    .custom<{ readonly [key: string]: Json }>(
      (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    )
    .nullish(),
});

export const DECIDE_BODY = z.object({ decision: z.string().min(1), decided_by: text, comment: text });

/** Characters that a decision's comment may have. */
export const MAX_COMMENT = 2000;

/** An approval as the list of its workspace tells it. `comment` is ours and only there where the decider wrote one. */
export function listItem({ id, taskId, action, reason, createdAtMs, decision }: Approval): object {
  return {
    id,
    task_id: taskId,
    action,
    reason,
    status: decision?.status ?? "pending",
    decided_by: decision?.decidedBy ?? null,
    decided_at: decision === undefined ? null : rfc3339(decision.decidedAtMs),
    created_at: rfc3339(createdAtMs),
    ...(decision?.comment === undefined ? {} : { comment: decision.comment }),
  };
}

/** An approval as the list of all pending ones tells it. The inbox knows no names of workspaces, so the id stands for it. */
export function pendingItem({ id, workspaceId, action, reason, createdAtMs }: Approval): object {
  return {
    id,
    workspace_id: workspaceId,
    workspace_name: workspaceId,
    action,
    reason,
    status: "pending",
    created_at: rfc3339(createdAtMs),
  };
}

export interface InboxEvent {
  readonly event: "APPROVAL_REQUESTED" | "APPROVAL_APPROVED" | "APPROVAL_DENIED";
  readonly workspace_id: string;
  readonly timestamp: string;
  readonly payload: { readonly [key: string]: string };
}

export function requestedEvent({ id, workspaceId, taskId, action, reason, createdAtMs }: Approval): InboxEvent {
  return {
    event: "APPROVAL_REQUESTED",
    workspace_id: workspaceId,
    timestamp: rfc3339(createdAtMs),
    payload: { action, approval_id: id, reason, task_id: taskId },
  };
}

export function decidedEvent(
  workspaceId: string,
  approvalId: string,
  { status, decidedBy, decidedAtMs }: Decision,
): InboxEvent {
  return {
    event: status === "approved" ? "APPROVAL_APPROVED" : "APPROVAL_DENIED",
    workspace_id: workspaceId,
    timestamp: rfc3339(decidedAtMs),
    payload: { approval_id: approvalId, decided_by: decidedBy, decision: status },
  };
}

/** RFC 3339 in UTC with six fraction digits. */
function rfc3339(timeMs: number): string {
  const micros = Math.floor((timeMs % 1) * 1000);
  return `${new Date(timeMs).toISOString().slice(0, -1)}${String(micros).padStart(3, "0")}Z`;
}
