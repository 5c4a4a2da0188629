/** The running approvals of a workspace, from Temporal's visibility store: eventually consistent, and free of Actions. */
import { APPROVAL_MEMO, REQUEST_APPROVAL } from "../domain/names.ts";
import { describeRun } from "./run.ts";
import { temporalError } from "./temporal-faults.ts";
import type { Temporal } from "./temporal-pool.ts";

export interface RunningApproval {
  readonly workflow_id: string;
  readonly request_id: string;
  /** Absent until the platform has given one, or where the platform tells it by task id. */
  readonly approval_id?: string;
  /** RFC 3339. */
  readonly started_at: string;
  /** The action, redacted and cut; only for the first 100. */
  readonly summary?: string;
}

// A summary costs one RPC each.
const SUMMARIES = 100;
const AT_ONCE = 10;
const LIST_MS = 30_000;

/** With summaries. Throws ApprovalError ERR_TEMPORAL_UNREACHABLE or ERR_TEMPORAL_REFUSED. */
export async function listRunning(
  temporal: Temporal,
  workspaceId: string,
  taskQueue: string,
): Promise<readonly RunningApproval[]> {
  const running = await listRunningBare(temporal, workspaceId, taskQueue);
  const summaries = new Map<string, string>();
  for (let at = 0; at < Math.min(running.length, SUMMARIES); at += AT_ONCE) {
    const some = running.slice(at, Math.min(at + AT_ONCE, SUMMARIES));
    await Promise.all(
      some.map(async ({ workflow_id }) => {
        const summary = await summaryOf(temporal, workflow_id);
        if (summary) summaries.set(workflow_id, summary);
      }),
    );
  }
  return running.map((one) => {
    const summary = summaries.get(one.workflow_id);
    return summary === undefined ? one : { ...one, summary };
  });
}

/** Without summaries: one RPC per thousand. Throws as `listRunning` does. */
export async function listRunningBare(
  temporal: Temporal,
  workspaceId: string,
  taskQueue: string,
): Promise<readonly RunningApproval[]> {
  try {
    return await readList(temporal, workspaceId, taskQueue);
  } catch (error) {
    throw temporalError(`List of the approvals of workspace ${workspaceId}`, temporal.address, error);
  }
}

async function readList(temporal: Temporal, workspaceId: string, taskQueue: string): Promise<RunningApproval[]> {
  const prefix = `approval:${workspaceId}:`;
  const query = `WorkflowType='${REQUEST_APPROVAL}' AND TaskQueue='${quoted(taskQueue)}' AND ExecutionStatus='Running'`;
  return temporal.call(async (client) => {
    const running: RunningApproval[] = [];
    for await (const { workflowId, startTime, memo } of client.workflow.list({ query })) {
      if (!workflowId.startsWith(prefix)) continue;
      const approvalId = memo?.[APPROVAL_MEMO];
      running.push({
        workflow_id: workflowId,
        request_id: workflowId.slice(prefix.length),
        ...(typeof approvalId === "string" ? { approval_id: approvalId } : {}),
        started_at: startTime.toISOString(),
      });
    }
    return running;
  }, LIST_MS);
}

/** A run that closed in between, or whose history is gone, is listed without one. */
async function summaryOf(temporal: Temporal, workflowId: string): Promise<string | undefined> {
  try {
    return await (await describeRun(temporal, workflowId)).staticSummary();
  } catch {
    return undefined;
  }
}

function quoted(text: string): string {
  return text.replace(/[\\']/g, "\\$&");
}
