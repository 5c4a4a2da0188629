/** Reading about one approval's run in Temporal: free of Actions, and possible while no worker is up. */
import { defaultPayloadConverter } from "@temporalio/client";
import type { WorkflowExecutionDescription } from "@temporalio/client";
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

/** The input that a run was started with, as it stands in its first event; `undefined` where there is none. */
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
    return defaultPayloadConverter.fromPayload(payload);
  } catch {
    return undefined;
  }
}
