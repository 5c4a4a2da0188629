/** Plays a worker over raw gRPC: no bundle, no activities, and a workflow that ends exactly as the test says. */
import { Connection, defaultPayloadConverter } from "@temporalio/client";
import proto from "@temporalio/proto";

const { CommandType, EventType } = proto.temporal.api.enums.v1;
const namespace = "default";
const identity = "stub-worker";
const LIMIT_MS = 30_000;

export interface StubTask {
  readonly workflowId: string;
  readonly runId: string;
  /** The workflow's input. */
  readonly input: unknown;
  readonly cancelRequested: boolean;
}

export interface StubWorker {
  /** Takes tasks of the queue until `decide` gives a result, and completes that workflow with it; for 30 s at most. */
  completeOne(taskQueue: string, decide: (task: StubTask) => unknown): Promise<void>;
  close(): Promise<void>;
}

export async function connectStubWorker(address: string): Promise<StubWorker> {
  const connection = await Connection.connect({ address });
  const service = connection.workflowService;
  return {
    async completeOne(taskQueue, decide) {
      const giveUpAt = Date.now() + LIMIT_MS;
      for (;;) {
        if (Date.now() > giveUpAt)
          throw new Error(`the test's workflow on ${taskQueue} did not end within ${LIMIT_MS} ms`);
        // The server refuses a poll without a deadline, and answers one without a task shortly before it.
        const task = await connection.withDeadline(giveUpAt, () =>
          service.pollWorkflowTaskQueue({ namespace, taskQueue: { name: taskQueue }, identity }),
        );
        if (task.taskToken.length === 0) continue;
        const events = task.history?.events ?? [];
        const payload = events[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
        const result = decide({
          workflowId: task.workflowExecution?.workflowId ?? "",
          runId: task.workflowExecution?.runId ?? "",
          input: payload == null ? undefined : defaultPayloadConverter.fromPayload(payload),
          cancelRequested: events.some(
            ({ eventType }) => eventType === EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
          ),
        });
        const commands =
          result === undefined
            ? []
            : [
                {
                  commandType: CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
                  completeWorkflowExecutionCommandAttributes: {
                    result: { payloads: [defaultPayloadConverter.toPayload(result)] },
                  },
                },
              ];
        await service.respondWorkflowTaskCompleted({
          namespace,
          taskToken: task.taskToken,
          commands,
          identity,
        });
        if (result !== undefined) return;
      }
    },
    close: () => connection.close(),
  };
}
