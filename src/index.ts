/** The public surface and nothing else. See docs/agent-api.md. */
export { createApprovals, requestApproval } from "./client/approvals.ts";
export type { Approvals, ClientOptions } from "./client/approvals.ts";
export { approvalChildOptions } from "./client/child-options.ts";
export type { ApprovalChildOptions } from "./client/child-options.ts";
export type { ApprovalHandle } from "./client/handle.ts";
export type { RunningApproval } from "./client/list-running.ts";
export type { RequestOptions } from "./client/prepare-request.ts";
export { requestApprovalTool } from "./client/tool.ts";
export type { Warn, Warning } from "./client/warnings.ts";
export { loadConfig } from "./config.ts";
export type { Config } from "./config.ts";
export { ApprovalError } from "./domain/errors.ts";
export type { ErrorCode } from "./domain/errors.ts";
export { modelLine } from "./domain/outcome.ts";
export type {
  ApprovalResult,
  Approved,
  Cancelled,
  Denied,
  Expired,
  Failed,
  Forbidden,
  Status,
  TimedOut,
} from "./domain/outcome.ts";
export type { ApprovalRequest, Json } from "./domain/request.ts";
export type { ApprovalState } from "./domain/state.ts";
