/** A second workspace on the same platform, Temporal, worker and bridge: its watch, as a worker of its own would wake it. */
import { WAKE_SIGNAL, WATCH_DECISIONS, watchWorkflowId } from "../src/domain/names.ts";
import { untilWatch } from "../test/support/history.ts";
import type { Field, Stage } from "./field.ts";

/** Adds the workspace to the platform, and waits until the bridge streams for it. The watch is terminated when the row ends. */
export async function watchToo(field: Field, { stack }: Stage, workspaceId: string): Promise<void> {
  const { platform, temporal, config, token } = stack;
  platform.addWorkspace(workspaceId, { token });
  const workflowId = watchWorkflowId(workspaceId);
  await temporal.workflow.signalWithStart(WATCH_DECISIONS, {
    workflowId,
    taskQueue: config.taskQueue,
    args: [{ workspace_id: workspaceId }],
    signal: WAKE_SIGNAL,
    signalArgs: [{ poll_interval_seconds: 1, use_websocket: true, heartbeat_seconds: 5 }],
  });
  field.after(() => temporal.workflow.getHandle(workflowId).terminate());
  await untilWatch(temporal, workspaceId, "streaming", (state) => state.mode === "stream");
}
