/** How many approvals of a workspace are waiting, by Temporal's visibility. */
import type { Client } from "@temporalio/client";
import { REQUEST_APPROVAL } from "../domain/names.ts";
import type { ApprovalActivities } from "../domain/ports.ts";

export function createCountWaiting(client: Client): ApprovalActivities["countWaiting"] {
  return async ({ task_queue }) => {
    const query = `WorkflowType='${REQUEST_APPROVAL}' AND TaskQueue='${task_queue}' AND ExecutionStatus='Running'`;
    return (await client.workflow.count(query)).count;
  };
}
