/**
 * An agent that is itself a workflow: its question is a child, which is withdrawn when the agent is cancelled or ends.
 * In a project of your own, import from "countersign/workflow". Run by run-agent-workflow.ts.
 */
import { executeChild, uuid4 } from "@temporalio/workflow";
import { approvalChildOptions } from "../src/client/child-options.ts";
import type { ApprovalRequest, ApprovalResult } from "../src/index.ts";

type RequestApproval = (request: ApprovalRequest) => Promise<ApprovalResult>;

/** Deletes the records of people who asked for it, if a person allows it; answers what was done. */
export async function forgetCustomers(workspaceId: string, records: number): Promise<string> {
  const result = await executeChild<RequestApproval>(
    "requestApproval",
    approvalChildOptions({
      action: `Delete ${records} customer records`,
      reason: "They asked to be forgotten",
      context: { records },
      request_id: uuid4(),
      workspace_id: workspaceId,
    }),
  );
  // Here the real agent calls the activity that deletes.
  return result.approved ? `Deleted ${records} records.` : `Deleted nothing: ${result.status}.`;
}
