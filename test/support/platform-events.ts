/** The events of the test platform in both dialects. Rules: docs/protocol.md, "Events". */
import { hearsOf } from "./platform-sockets.ts";
import type { PlatformSockets } from "./platform-sockets.ts";
import { rfc3339 } from "./platform-store.ts";
import type { PlatformApproval, PlatformStore } from "./platform-store.ts";

export interface Audience {
  readonly sockets: PlatformSockets;
  readonly store: PlatformStore;
  /** The seed's dialect, which knows decisions only and tells them to the workspace alone. */
  readonly minimal: boolean;
}

export function announceRequested(audience: Audience, approval: PlatformApproval): void {
  if (audience.minimal) return;
  const { action, id: approval_id, reason, task_id, workspace_id } = approval;
  envelope(audience, "APPROVAL_REQUESTED", workspace_id, { action, approval_id, reason, task_id });
  const parent = audience.store.workspaces.get(workspace_id)?.parent;
  if (parent === undefined) return;
  envelope(audience, "APPROVAL_ESCALATED", parent, { action, approval_id, from_workspace_id: workspace_id, reason });
}

export function announceDecided(audience: Audience, approval: PlatformApproval): void {
  const { id: approval_id, status, decided_by, workspace_id } = approval;
  if (audience.minimal) {
    const text = JSON.stringify({ event: "APPROVAL_DECIDED", approval_id, status, decided_by });
    audience.sockets.emit(text, (listener) => listener === undefined || listener === workspace_id);
    return;
  }
  const event = status === "approved" ? "APPROVAL_APPROVED" : "APPROVAL_DENIED";
  envelope(audience, event, workspace_id, { approval_id, decided_by, decision: status });
}

function envelope(audience: Audience, event: string, workspace_id: string, payload: object): void {
  const nanos = String(process.hrtime.bigint() % 1000n).padStart(3, "0");
  const timestamp = rfc3339(audience.store.nowMicros(), nanos);
  const text = JSON.stringify({ event, workspace_id, timestamp, payload });
  audience.sockets.emit(text, (listener) => hearsOf(audience.store.workspaces, listener, workspace_id));
}
