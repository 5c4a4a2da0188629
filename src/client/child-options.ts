/** Asking from inside another workflow. Free of Node and of the SDK, so that workflow code can import it. */
import { approvalWorkflowId, defaultTaskQueue } from "../domain/names.ts";
import type { ApprovalRequest } from "../domain/request.ts";

export interface ApprovalChildOptions {
  readonly workflowId: string;
  readonly taskQueue: string;
  readonly args: [ApprovalRequest];
  readonly parentClosePolicy: "REQUEST_CANCEL";
  readonly workflowIdReusePolicy: "REJECT_DUPLICATE";
}

/**
 * Options for `executeChild("requestApproval", approvalChildOptions(request))`.
 * A parent that ends asks its approval to withdraw; Temporal's default would terminate it without withdrawal or record.
 * `taskQueue` is COUNTERSIGN_TASK_QUEUE of the worker, by default `approvals-<workspace_id>`.
 * An illegal request is not refused here: the child ends `failed` and says why.
 */
export function approvalChildOptions(
  request: ApprovalRequest,
  taskQueue: string = defaultTaskQueue(request.workspace_id),
): ApprovalChildOptions {
  return {
    workflowId: approvalWorkflowId(request.workspace_id, request.request_id),
    taskQueue,
    args: [request],
    parentClosePolicy: "REQUEST_CANCEL",
    workflowIdReusePolicy: "REJECT_DUPLICATE",
  };
}
