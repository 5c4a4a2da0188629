/** ID on the command line is an approval id of the platform or a workflow id; each command needs one of the two, or both. */
import { describeRun } from "../client/run.ts";
import { isWorkflowNotFound, temporalError } from "../client/temporal-faults.ts";
import { listRunningBare } from "../client/list-running.ts";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import { APPROVAL_MEMO, parseTaskId } from "../domain/names.ts";
import type { ListItem } from "../domain/platform-port.ts";
import type { Setup } from "./setup.ts";

/** True where the text is meant as a workflow id. Throws ERR_USAGE for one of another workspace. */
export function isWorkflowId(setup: Setup, id: string): boolean {
  if (!id.startsWith("approval:")) return false;
  const { workspaceId } = setup.config;
  // The first run's id is not part of what people type, so any will do to check the form.
  if (parseTaskId(`${id}#0`, workspaceId) !== undefined) return true;
  throw new ApprovalError(
    "ERR_USAGE",
    `${id} is no approval of workspace ${workspaceId}; check the ID and WORKSPACE_ID`,
  );
}

/** The approval that stands for a workflow on the platform. Throws ERR_NOT_FOUND where there is none (yet). */
export async function approvalIdOf(setup: Setup, workflowId: string): Promise<string> {
  const known = await memoApprovalId(setup, workflowId);
  if (known !== undefined) return known;
  const { items } = await setup.platform.list(setup.config.workspaceId);
  const own = items.filter((item) => workflowOf(setup, item) === workflowId);
  const found = own.find((item) => item.status === "pending") ?? own[0];
  if (found !== undefined) return found.approval_id;
  const state = await setup.handle({ workflowId }).state();
  if (state.approval_id !== undefined) return state.approval_id;
  throw new ApprovalError("ERR_NOT_FOUND", `${workflowId} has no approval on the platform yet; try again in a moment`);
}

/** The workflow that an approval belongs to; `undefined` where neither the platform nor a running workflow tells. */
export async function workflowIdOf(setup: Setup, approvalId: string): Promise<string | undefined> {
  const { workspaceId, taskQueue } = setup.config;
  const item = await findItem(setup, approvalId).catch(() => undefined);
  const byTaskId = item === undefined ? undefined : workflowOf(setup, item);
  if (byTaskId !== undefined) return byTaskId;
  const running = await setup.temporal((temporal) => listRunningBare(temporal, workspaceId, taskQueue));
  return running.find((one) => one.approval_id === approvalId)?.workflow_id;
}

/** The same, with ERR_NOT_FOUND instead of `undefined`. */
export async function requireWorkflowId(setup: Setup, id: string): Promise<string> {
  const workflowId = isWorkflowId(setup, id) ? id : await workflowIdOf(setup, id);
  if (workflowId !== undefined) return workflowId;
  throw new ApprovalError(
    "ERR_NOT_FOUND",
    `No workflow of workspace ${setup.config.workspaceId} has the approval ${id}; check the ID, set REVIEWER_TOKEN so that the platform can be asked, or give the workflow id`,
  );
}

export function workflowOf(setup: Setup, item: ListItem): string | undefined {
  return parseTaskId(item.task_id, setup.config.workspaceId)?.workflowId;
}

/** The platform's item of an approval. Throws what the platform's client throws. */
export async function findItem(setup: Setup, approvalId: string): Promise<ListItem | undefined> {
  const { items } = await setup.platform.list(setup.config.workspaceId, [approvalId]);
  return items.find((item) => item.approval_id === approvalId);
}

async function memoApprovalId(setup: Setup, workflowId: string): Promise<string | undefined> {
  return setup.temporal(async (temporal) => {
    try {
      const { memo } = await describeRun(temporal, workflowId);
      const approvalId = memo?.[APPROVAL_MEMO];
      return typeof approvalId === "string" ? approvalId : undefined;
    } catch (error) {
      throw notFoundOr(temporal.address, workflowId, error);
    }
  });
}

/** ERR_NOT_FOUND for a workflow that Temporal does not know, else the Temporal failure. */
export function notFoundOr(address: string, workflowId: string, error: unknown): ApprovalError {
  return isWorkflowNotFound(error)
    ? new ApprovalError(
        "ERR_NOT_FOUND",
        `Temporal at ${address} knows no ${workflowId} (${messageOf(error)}); check the ID, or list what is pending with: countersign list`,
        { cause: error },
      )
    : temporalError(`Look-up of ${workflowId}`, address, error);
}
