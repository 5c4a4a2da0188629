/** What the approval needs of the platform. Implemented by src/platform over HTTP; see docs/protocol.md. */
import type { Listing } from "./listing.ts";
import type { Json } from "./request.ts";

export type { ListItem, Listing } from "./listing.ts";

export interface NewApproval {
  readonly action: string;
  readonly reason: string;
  readonly task_id: string;
  readonly context?: { readonly [key: string]: Json };
  /** How long the request waits; for platforms that show a deadline, ignored by the others. */
  readonly timeout_seconds?: number;
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
    /** Kept by platforms that know it, ignored by the others. */
    comment?: string,
  ): Promise<DecideAnswer>;
}
