/** What the inbox keeps, and the one interface through which it keeps it. */
import type { Json } from "../domain/request.ts";

export interface Decision {
  readonly status: "approved" | "denied";
  readonly decidedBy: string;
  /** Milliseconds since the epoch, the inbox's clock. */
  readonly decidedAtMs: number;
  readonly comment?: string;
}

export interface Approval {
  readonly id: string;
  readonly workspaceId: string;
  /** "" where the creator gave none. */
  readonly taskId: string;
  readonly action: string;
  readonly reason: string;
  readonly context?: { readonly [key: string]: Json };
  /** Milliseconds since the epoch, the inbox's clock. */
  readonly createdAtMs: number;
  /** Absent while the approval is pending. */
  readonly decision?: Decision;
}

/**
 * Every promise settles after the change is kept for good: the server tells the world only then.
 * Lists are in reverse order of creation, newest first.
 */
export interface ApprovalStore {
  /** Keeps a pending approval, unless the workspace already has `maxPending` of them. Check and insert are one step. */
  create(approval: Approval, maxPending: number): Promise<"created" | "too_many_pending">;
  /** Approvals of one workspace; with `ids` those of them that are named, unknown and foreign ones left out. */
  list(query: {
    readonly workspaceId: string;
    readonly ids?: readonly string[];
    readonly limit: number;
  }): Promise<readonly Approval[]>;
  /** Pending approvals of every workspace. */
  listPending(limit: number): Promise<readonly Approval[]>;
  /** Decides the approval if it is of this workspace and pending; the first decision wins. */
  decide(workspaceId: string, approvalId: string, decision: Decision): Promise<"decided" | "not_pending">;
  /** Decides alike every pending approval created at or before a time, and returns them with their decision. */
  expire(createdUntilMs: number, decision: Decision): Promise<readonly Approval[]>;
}
