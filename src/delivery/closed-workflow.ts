/** What became of the workflow behind an approval, for decisions and requests that nobody waits for any more. */
import { WorkflowNotFoundError, type Client } from "@temporalio/client";
import { AUTO_EXPIRED, isOwnDecider, LATE_SIGNAL, parseTaskId, watchWorkflowId } from "../domain/names.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import type { ListItem } from "../domain/platform-port.ts";
import type { Late } from "../domain/watch-signals.ts";

/**
 * True where the item is pending for nobody: the workflow of its task id is closed, or a later run took its name.
 * False for a running one, and for one that Temporal does not know (it may be another cluster's).
 */
export async function isOrphan(client: Client, workspaceId: string, item: ListItem): Promise<boolean> {
  const target = parseTaskId(item.task_id, workspaceId);
  if (target === undefined) return false;
  try {
    const run = await client.workflow.getHandle(target.workflowId).describe();
    const firstRunId = run.raw.workflowExecutionInfo?.firstRunId || run.runId;
    return firstRunId !== target.firstRunId || run.status.name !== "RUNNING";
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** Tells the watch of a person's decision that the closed workflow's result does not agree with. */
export async function reportIfLate(client: Client, workspaceId: string, item: ListItem): Promise<void> {
  const target = parseTaskId(item.task_id, workspaceId);
  if (target === undefined || item.status === "pending" || item.task_id === undefined) return;
  if (isOwnDecider(item.decided_by) || item.decided_by === AUTO_EXPIRED) return;
  const result = await storedResult(client, target.workflowId, target.firstRunId);
  if (result === undefined || agrees(result, item)) return;
  const late: Late = {
    task_id: item.task_id,
    trace_id: result.trace_id,
    workflow_id: target.workflowId,
    action: item.action ?? "",
    decision: {
      approval_id: item.approval_id,
      status: item.status,
      decided_by: item.decided_by,
      ...(item.decided_at === undefined ? {} : { decided_at: item.decided_at }),
      verified: true,
    },
  };
  await client.workflow.getHandle(watchWorkflowId(workspaceId)).signal(LATE_SIGNAL, late);
}

/** The result of a closed run; `undefined` where it ended without one, or is no longer kept. */
async function storedResult(client: Client, workflowId: string, runId: string): Promise<ApprovalResult | undefined> {
  try {
    const handle = client.workflow.getHandle(workflowId, runId);
    if ((await handle.describe()).status.name === "RUNNING") return undefined;
    return (await handle.result()) as ApprovalResult;
  } catch {
    return undefined;
  }
}

function agrees(result: ApprovalResult, item: ListItem): boolean {
  return result.status === item.status && "approval_id" in result && result.approval_id === item.approval_id;
}
