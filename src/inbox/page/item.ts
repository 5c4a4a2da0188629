/** An approval as `/api/approvals` and the socket tell it (docs/inbox.md), and the order in which they stand. */

export interface Item {
  readonly id: string;
  readonly workspace_id: string;
  readonly task_id: string;
  readonly action: string;
  readonly reason: string;
  readonly context: { readonly [key: string]: unknown } | null;
  readonly status: "pending" | "approved" | "denied";
  readonly decided_by: string | null;
  readonly decided_at: string | null;
  readonly comment: string | null;
  readonly created_at: string;
  /** When the request will time out; null where it has no deadline or none is known. */
  readonly expires_at: string | null;
}

/** What a frame of the socket says to this page; `undefined` for anything else. */
export type LiveEvent =
  | { readonly kind: "requested"; readonly item: Item }
  | {
      readonly kind: "decided";
      readonly id: string;
      readonly change: Pick<Item, "status" | "decided_by" | "decided_at" | "comment">;
    };

/** Reads one frame. The server is our own, so only what would break the page is checked. */
export function liveEvent(frame: string): LiveEvent | undefined {
  const { event, workspace_id, timestamp, payload } = JSON.parse(frame) as Frame;
  const id = payload?.approval_id;
  if (id === undefined || payload === undefined) return undefined;
  if (event === "APPROVAL_REQUESTED") {
    const { task_id, action, reason, context, created_at, expires_at } = payload;
    return {
      kind: "requested",
      item: {
        id,
        workspace_id,
        task_id: task_id ?? "",
        action: action ?? "",
        reason: reason ?? "",
        context: context ?? null,
        status: "pending",
        decided_by: null,
        decided_at: null,
        comment: null,
        created_at: created_at ?? timestamp,
        expires_at: expires_at ?? null,
      },
    };
  }
  if (event !== "APPROVAL_APPROVED" && event !== "APPROVAL_DENIED") return undefined;
  return {
    kind: "decided",
    id,
    change: {
      status: event === "APPROVAL_APPROVED" ? "approved" : "denied",
      decided_by: payload.decided_by ?? null,
      decided_at: payload.decided_at ?? timestamp,
      comment: payload.comment ?? null,
    },
  };
}

/** Oldest deadline first, then those without one; the older request first where that says nothing. As the server orders them. */
export function byDeadline(one: Item, other: Item): number {
  return (
    timeOf(one.expires_at) - timeOf(other.expires_at) ||
    compareText(one.created_at, other.created_at) ||
    compareText(one.id, other.id)
  );
}

/** Milliseconds since the epoch; far in the future for null, so that a difference of two is never NaN. */
export function timeOf(time: string | null): number {
  const ms = time === null ? Number.NaN : Date.parse(time);
  return Number.isNaN(ms) ? Number.MAX_SAFE_INTEGER : ms;
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

interface Frame {
  readonly event: string;
  readonly workspace_id: string;
  readonly timestamp: string;
  readonly payload?: { readonly approval_id?: string } & Partial<
    Pick<
      Item,
      | "task_id"
      | "action"
      | "reason"
      | "context"
      | "created_at"
      | "expires_at"
      | "decided_by"
      | "decided_at"
      | "comment"
    >
  >;
}
