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
  /** When the creator will no longer wait; absent where it did not say. */
  readonly expiresAtMs?: number;
  /** Absent while the approval is pending. */
  readonly decision?: Decision;
}

/** A creator's own name for one creation, and what it asked for under that name. */
export interface Repeat {
  readonly key: string;
  /** SHA-256 of the body, hex. */
  readonly bodySha256: string;
}

export type Creation =
  /** `isNew` false: the same creation, asked for again. */
  | { readonly kind: "created"; readonly approval: Approval; readonly isNew: boolean }
  /** The key was used for another body. */
  | { readonly kind: "other_body" }
  | { readonly kind: "too_many_pending" };

export type StatusFilter = "pending" | "approved" | "denied" | "decided";

/** One page, and where the next one starts: absent where there is none. */
export interface Page {
  readonly approvals: readonly Approval[];
  readonly next?: Position;
}

/** A place in a sorted list: the sort key in microseconds since the epoch (null: never), and the order of creation. */
export type Position = readonly [timeUs: number | null, seq: number];

export interface InboxQuery {
  readonly status: "pending" | "decided";
  /** A part of action, reason, workspace or decider, in any case; "" finds all. */
  readonly text: string;
  readonly limit: number;
  readonly after?: Position | undefined;
}

/**
 * Every promise settles after the change is kept for good. Every change is told to `Changes` of all processes on the database.
 * Lists are in reverse order of creation, newest first, where nothing else is said.
 */
export interface ApprovalStore {
  /** Keeps a pending approval, unless the workspace already has `maxPending` of them. Check and insert are one step. */
  create(approval: Approval, maxPending: number, repeat?: Repeat): Promise<Creation>;
  /** Approvals of one workspace; with `ids` those of them that are named, unknown and foreign ones left out. */
  list(query: {
    readonly workspaceId: string;
    readonly ids?: readonly string[];
    readonly status?: StatusFilter | undefined;
    readonly limit: number;
    readonly after?: Position | undefined;
  }): Promise<Page>;
  /** Of one workspace, the newest ones and those decided last, each at most so many. */
  listRecent(workspaceId: string, newest: number, decidedLast: number): Promise<readonly Approval[]>;
  get(workspaceId: string, approvalId: string): Promise<Approval | undefined>;
  /** Of any workspace, in no order; unknown ones left out. */
  getMany(ids: readonly string[]): Promise<readonly Approval[]>;
  /** Pending approvals of every workspace. */
  listPending(limit: number): Promise<readonly Approval[]>;
  /** For the page: pending ones by their deadline, those without one last; decided ones the latest first. `total` counts all pages. */
  search(query: InboxQuery): Promise<Page & { readonly total: number }>;
  /** Decides the approval if it is of this workspace and pending; the first decision wins. */
  decide(workspaceId: string, approvalId: string, decision: Decision): Promise<"decided" | "not_pending">;
  /** Decides alike every pending approval that expired at or before a time, and returns their ids. */
  expire(expiredUntilMs: number, decision: Decision): Promise<readonly string[]>;
}
