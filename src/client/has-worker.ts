/** Whether anybody works on a queue. */
import type { Temporal } from "./temporal-pool.ts";

// TASK_QUEUE_TYPE_WORKFLOW of Temporal's API.
const WORKFLOW_TASKS = 1;

/** True where a worker polled the queue lately: Temporal remembers one for some minutes after it has gone. */
export async function hasWorker(temporal: Temporal, taskQueue: string): Promise<boolean> {
  const { pollers } = await temporal.call((client) =>
    client.workflow.workflowService.describeTaskQueue({
      namespace: temporal.namespace,
      taskQueue: { name: taskQueue },
      taskQueueType: WORKFLOW_TASKS,
    }),
  );
  return pollers.length > 0;
}
