/** The platform's list of approvals, decoded; see docs/protocol.md, "List". */

/** One approval as the platform's list tells it; anything that is not exactly of this shape was rejected by the decoder. */
export interface ListItem {
  readonly approval_id: string;
  /** Absent on platforms that do not echo it. */
  readonly task_id?: string;
  readonly status: "pending" | "approved" | "denied";
  /** "" where the platform names no one. */
  readonly decided_by: string;
  /** RFC 3339, the platform's clock. */
  readonly decided_at?: string;
  readonly created_at?: string;
  readonly comment?: string;
  /** What was asked; absent on platforms with the minimal list. */
  readonly action?: string;
  readonly reason?: string;
}

export interface Listing {
  readonly items: readonly ListItem[];
  /** True where the list is so long (50 or more) that an approval may be missing from it. */
  readonly capped: boolean;
  /** True where an item carries a `task_id` key at all, false where none does, undefined for an empty list. */
  readonly echoes: boolean | undefined;
  /** The answer's `Date` header, milliseconds since the epoch. */
  readonly date_ms?: number;
  /** Items that were not of the documented shape, and are left out. */
  readonly rejected: number;
}
