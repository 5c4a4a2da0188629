/** Which workflow waits for which approval. In memory only: rebuilt from the platform's list, or from Temporal's. */
import type { Client } from "@temporalio/client";
import { APPROVAL_MEMO, parseTaskId, REQUEST_APPROVAL } from "../domain/names.ts";

/** Where a decision goes. */
export interface Target {
  readonly workflowId: string;
  /** Known where the platform echoes it; needed for a proof. */
  readonly taskId?: string;
}

export interface Directory {
  /** Remembers what the platform said; a task id that is not of this workspace's form is ignored. */
  learn(workspaceId: string, approvalId: string, taskId: string | undefined): Target | undefined;
  /** Looks in memory only. */
  known(workspaceId: string, approvalId: string): Target | undefined;
  /** Looks in memory, then among the running workflows by their memo. */
  find(workspaceId: string, approvalId: string): Promise<Target | undefined>;
}

const KEPT = 10_000;
/** The running workflows are listed at most once in this time. */
const LISTING_GAP_MS = 1_000;

export function createDirectory(client: Client, taskQueue: string): Directory {
  const targets = new Map<string, Target>();
  let listing: Promise<void> | undefined;
  let listedAt = -Infinity;

  const remember = (workspaceId: string, approvalId: string, target: Target): Target => {
    const key = `${workspaceId}/${approvalId}`;
    targets.delete(key);
    targets.set(key, target);
    if (targets.size > KEPT) targets.delete(targets.keys().next().value as string);
    return target;
  };

  const listRunning = async (workspaceId: string): Promise<void> => {
    listedAt = Date.now();
    const query = `WorkflowType='${REQUEST_APPROVAL}' AND TaskQueue='${taskQueue}' AND ExecutionStatus='Running'`;
    for await (const run of client.workflow.list({ query })) {
      const approvalId = run.memo?.[APPROVAL_MEMO];
      if (typeof approvalId !== "string" || targets.has(`${workspaceId}/${approvalId}`)) continue;
      if (run.workflowId.startsWith(`approval:${workspaceId}:`)) {
        remember(workspaceId, approvalId, { workflowId: run.workflowId });
      }
    }
  };

  const known = (workspaceId: string, approvalId: string) => targets.get(`${workspaceId}/${approvalId}`);
  return {
    known,
    learn(workspaceId, approvalId, taskId) {
      const parsed = parseTaskId(taskId, workspaceId);
      if (parsed === undefined || taskId === undefined) return undefined;
      return remember(workspaceId, approvalId, { workflowId: parsed.workflowId, taskId });
    },
    async find(workspaceId, approvalId) {
      const found = known(workspaceId, approvalId);
      if (found !== undefined) return found;
      // Callers at the same time share one listing; a listing of the last second is not repeated.
      if (listing === undefined && Date.now() - listedAt >= LISTING_GAP_MS) {
        listing = listRunning(workspaceId).finally(() => {
          listing = undefined;
        });
      }
      await listing;
      return known(workspaceId, approvalId);
    },
  };
}
