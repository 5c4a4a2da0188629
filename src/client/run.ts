/** Reading about one approval's run in Temporal: free of Actions, and possible while no worker is up. */
import type { WorkflowExecutionDescription } from "@temporalio/client";
import { ApprovalError } from "../domain/errors.ts";
import type { Temporal } from "./temporal-pool.ts";

/** One approval workflow: the chain of runs that began with `firstRunId`. */
export interface RunRef {
  readonly workflowId: string;
  /** Absent where the caller knows the workflow only by its id: then the latest chain is meant. */
  readonly firstRunId?: string | undefined;
}

export function describeRun(temporal: Temporal, workflowId: string): Promise<WorkflowExecutionDescription> {
  return temporal.call((client) => client.workflow.getHandle(workflowId).describe());
}

/** Run id of the first run of the described chain; continue-as-new changes every other one. */
export function firstRunIdOf(description: WorkflowExecutionDescription): string {
  return description.raw.workflowExecutionInfo?.firstRunId || description.runId;
}

/**
 * The input that a run was started with, as it stands in its first event; `undefined` where there is none that can be read.
 * Throws ApprovalError ERR_CONFIG where it is encrypted with a key that is not here.
 */
export async function inputOf(temporal: Temporal, workflowId: string, runId: string): Promise<unknown> {
  const history = await temporal.call((client) =>
    client.workflow.workflowService.getWorkflowExecutionHistory({
      namespace: temporal.namespace,
      execution: { workflowId, runId },
      maximumPageSize: 1,
    }),
  );
  const payload = history.history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
  if (payload === undefined) return undefined;
  try {
    return await temporal.read(payload);
  } catch (error) {
    // Another key is a mistake of the settings; anything else is what a foreign start gave.
    if (error instanceof ApprovalError) throw error;
    return undefined;
  }
}
