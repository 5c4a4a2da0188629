/** Part of the workflow bundle, where the SDK finds it by the name of its export; called once for each workflow. */
import type { WorkflowInterceptors } from "@temporalio/workflow";
import { overtakenTask } from "./overtaken-task.ts";
import { signalBatches } from "./signal-batches.ts";

export const interceptors = (): WorkflowInterceptors => {
  const { internals, outbound } = overtakenTask();
  return { internals: [...internals, signalBatches], outbound };
};
