/** An agent without our client: it starts the workflow by Temporal's own, once, and does not wait long to hear that it did. */
import { Client, Connection } from "@temporalio/client";
import type { Approvals } from "../../src/client/approvals.ts";
import type { WorkspaceConfig } from "../../src/config.ts";
import { RECONNECT } from "../../src/config/reconnect.ts";
import { approvalWorkflowId, REQUEST_APPROVAL } from "../../src/domain/names.ts";
import type { LossyLine } from "../lossy-line.ts";

const PATIENCE_MS = 1_000;

interface Scope {
  after(clean: () => Promise<unknown>): void;
}

/** Its start rejects where it does not know; where it does, ours goes on. `unheard`: what Temporal answers to the start is lost on the line. */
export function bareAgent(
  scope: Scope,
  line: LossyLine,
  { workspaceId, taskQueue, temporal: { namespace } }: WorkspaceConfig,
  ours: Approvals,
  unheard: boolean,
): Pick<Approvals, "start"> {
  const connection = Connection.lazy({ address: line.address, channelArgs: RECONNECT });
  const client = new Client({ connection, namespace });
  scope.after(() => connection.close());
  return {
    async start(action, reason, options = {}) {
      const { requestId: request_id = "", timeoutSeconds: timeout_seconds } = options;
      const inTime = <T>(call: () => Promise<T>) => client.withDeadline(Date.now() + PATIENCE_MS, call);
      // A connection that is only made now would lose more than the answer.
      if (unheard) await inTime(() => client.workflowService.getSystemInfo({}));
      const hear = unheard ? line.loseAnswers() : () => {};
      await inTime(() =>
        client.workflow.start(REQUEST_APPROVAL, {
          workflowId: approvalWorkflowId(workspaceId, request_id),
          taskQueue,
          args: [{ action, reason, request_id, workspace_id: workspaceId, timeout_seconds }],
          workflowIdReusePolicy: "REJECT_DUPLICATE",
          workflowIdConflictPolicy: "USE_EXISTING",
        }),
      ).finally(hear);
      return await ours.start(action, reason, options);
    },
  };
}
