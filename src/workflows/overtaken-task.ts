/**
 * Temporal takes a workflow task back when more than 100 events have come while it ran, or when its time is over, and gives out the
 * next one. Where a local activity is still running, the SDK goes on with the old task as if it were the new one: it shows the
 * workflow those events after the activity was begun, where every replay shows them before, so the replay fails for ever. So the
 * task is failed instead; the next one starts from the history.
 */
import { workflowInfo, type WorkflowInterceptors } from "@temporalio/workflow";

/** For one workflow. Throws out of the activation, which fails the task and leaves the workflow as it was. */
export function overtakenTask(): Required<Pick<WorkflowInterceptors, "internals" | "outbound">> {
  let running = 0;
  return {
    outbound: [
      {
        async scheduleLocalActivity(input, next) {
          // What a replay begins belongs to a task that was completed; then news beside it is the SDK's heartbeat of a long activity.
          if (workflowInfo().unsafe.isReplaying) return await next(input);
          running++;
          try {
            return await next(input);
          } finally {
            running--;
          }
        },
      },
    ],
    internals: [
      {
        activate(input, next) {
          const { activation, batchIndex } = input;
          const isNews = activation.jobs?.some(
            ({ resolveActivity, queryWorkflow }) => resolveActivity?.isLocal !== true && !queryWorkflow,
          );
          if (running > 0 && batchIndex === 0 && isNews === true)
            throw new Error("Temporal has given out another task while a local activity ran; it is begun again");
          next(input);
        },
      },
    ],
  };
}
