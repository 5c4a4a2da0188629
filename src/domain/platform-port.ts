/** What the approval needs of the platform. Implemented by src/platform over HTTP; see docs/protocol.md. */
import type { Json } from "./request.ts";

export interface NewApproval {
  readonly action: string;
  readonly reason: string;
  readonly task_id: string;
  readonly context?: { readonly [key: string]: Json };
}

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

/** What a POST of a new approval came to. `error` is the text that the agent is shown. */
export type CreateAnswer =
  | { readonly kind: "created"; readonly approval_id: string }
  /** Not created, and asking again is pointless: 3xx, 4xx but 408, 425, 429. */
  | { readonly kind: "refused"; readonly error: string }
  /** 429; `retry_after_ms` clamped to 1..60 s. */
  | { readonly kind: "busy"; readonly error: string; readonly retry_after_ms: number }
  /** 408, 425, 5xx, or the connection could not be opened: ask again. */
  | { readonly kind: "unavailable"; readonly error: string }
  /** It may have been created: timeout or reset after sending, a 2xx that is not a 201 with an approval id. */
  | { readonly kind: "ambiguous"; readonly error: string };

export type DecideAnswer =
  | { readonly kind: "decided" }
  /** 404: decided already, unknown, or the platform has no such route. Reading the list tells which. */
  | { readonly kind: "not_pending" }
  /** 401, 403 or another 4xx. */
  | { readonly kind: "refused"; readonly error: string };

/**
 * The platform, bound to no workspace: the workspace id is a parameter.
 * `list` and `decide` throw ApprovalError: ERR_PLATFORM_REFUSED (4xx, 3xx), ERR_PLATFORM_UNREACHABLE (network, timeout, 5xx, 429),
 * ERR_PLATFORM_UNREADABLE (too large, not JSON, not a list). `create` never throws for what the platform does.
 */
export interface Platform {
  create(workspaceId: string, approval: NewApproval, signal?: AbortSignal): Promise<CreateAnswer>;
  /** `ids` is a hint: a platform that knows `?ids=` answers exactly those, any other its newest 50. */
  list(workspaceId: string, ids?: readonly string[], signal?: AbortSignal): Promise<Listing>;
  decide(
    workspaceId: string,
    approvalId: string,
    decision: "approved" | "denied",
    decidedBy: string,
    signal?: AbortSignal,
  ): Promise<DecideAnswer>;
}
