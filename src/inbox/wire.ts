/** The inbox's side of the wire: bodies it takes, items and events it gives (docs/protocol.md, "Create", "List", "Decide", "Events"; docs/inbox.md). */
import { z } from "zod";
import { MAX_TIMEOUT_SECONDS, type Json } from "../domain/request.ts";
import type { Approval, Decision } from "./store.ts";

// The platform takes a JSON null for an absent field.
const text = z.string().nullish();

export const CREATE_BODY = z.object({
  action: z.string().min(1),
  reason: text,
  task_id: text,
  timeout_seconds: z.number().positive().max(MAX_TIMEOUT_SECONDS).nullish(),
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

/** An approval as the list of its workspace tells it. `comment` and `expires_at` are ours, and only there where somebody gave them. */
export function listItem({ id, taskId, action, reason, createdAtMs, expiresAtMs, decision }: Approval): object {
  return {
    id,
    task_id: taskId,
    action,
    reason,
    status: decision?.status ?? "pending",
    decided_by: decision?.decidedBy ?? null,
    decided_at: decision === undefined ? null : rfc3339(decision.decidedAtMs),
    created_at: rfc3339(createdAtMs),
    ...(expiresAtMs === undefined ? {} : { expires_at: rfc3339(expiresAtMs) }),
    ...(decision?.comment === undefined ? {} : { comment: decision.comment }),
  };
}

/** An approval with all that is known of it: for one approval, and for the page. */
export function fullItem({
  id,
  workspaceId,
  taskId,
  action,
  reason,
  context,
  createdAtMs,
  expiresAtMs,
  decision,
}: Approval): object {
  return {
    id,
    workspace_id: workspaceId,
    task_id: taskId,
    action,
    reason,
    context: context ?? null,
    status: decision?.status ?? "pending",
    decided_by: decision?.decidedBy ?? null,
    decided_at: decision === undefined ? null : rfc3339(decision.decidedAtMs),
    comment: decision?.comment ?? null,
    created_at: rfc3339(createdAtMs),
    expires_at: expiresAtMs === undefined ? null : rfc3339(expiresAtMs),
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

/** One event, as the platform tells it and as whoever hears all workspaces gets it: the page, which needs more. */
export interface InboxEvent {
  readonly workspaceId: string;
  readonly plain: object;
  readonly full: object;
}

export function requestedEvent(approval: Approval): InboxEvent {
  const { id, workspaceId, taskId, action, reason, context, createdAtMs, expiresAtMs } = approval;
  const payload = { action, approval_id: id, reason, task_id: taskId };
  const more = {
    context: context ?? null,
    created_at: rfc3339(createdAtMs),
    expires_at: expiresAtMs === undefined ? null : rfc3339(expiresAtMs),
  };
  return eventOf("APPROVAL_REQUESTED", workspaceId, createdAtMs, payload, more);
}

export function decidedEvent({ id, workspaceId }: Approval, decision: Decision): InboxEvent {
  const { status, decidedBy, decidedAtMs, comment } = decision;
  const payload = { approval_id: id, decided_by: decidedBy, decision: status };
  const more = { decided_at: rfc3339(decidedAtMs), comment: comment ?? null };
  const event = status === "approved" ? "APPROVAL_APPROVED" : "APPROVAL_DENIED";
  return eventOf(event, workspaceId, decidedAtMs, payload, more);
}

function eventOf(event: string, workspaceId: string, timeMs: number, payload: object, more: object): InboxEvent {
  const envelope = { event, workspace_id: workspaceId, timestamp: rfc3339(timeMs) };
  return { workspaceId, plain: { ...envelope, payload }, full: { ...envelope, payload: { ...payload, ...more } } };
}

/** RFC 3339 in UTC with six fraction digits. */
function rfc3339(timeMs: number): string {
  const us = Math.round(timeMs * 1000);
  const micros = String(us % 1000).padStart(3, "0");
  return `${new Date(Math.floor(us / 1000)).toISOString().slice(0, -1)}${micros}Z`;
}
