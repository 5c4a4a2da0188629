/** An agent without our client: it starts the workflow by Temporal's own, once, and does not wait long to hear that it did. */
import { Client, Connection } from "@temporalio/client";
import type { Approvals } from "../../src/client/approvals.ts";
import type { WorkspaceConfig } from "../../src/config.ts";
import { approvalWorkflowId, REQUEST_APPROVAL } from "../../src/domain/names.ts";

const PATIENCE_MS = 1_000;

interface Scope {
  after(clean: () => Promise<unknown>): void;
}

/** Rejects where it does not know; where it does, ours goes on. */
export function bareAgent(
  scope: Scope,
  { workspaceId, taskQueue, temporal }: WorkspaceConfig,
  ours: Approvals,
): Pick<Approvals, "start"> {
  const connection = Connection.lazy({ address: temporal.address });
  const client = new Client({ connection, namespace: temporal.namespace });
  scope.after(() => connection.close());
  return {
    async start(action, reason, options = {}) {
      const { requestId: request_id = "", timeoutSeconds: timeout_seconds } = options;
      await client.withDeadline(Date.now() + PATIENCE_MS, () =>
        client.workflow.start(REQUEST_APPROVAL, {
          workflowId: approvalWorkflowId(workspaceId, request_id),
          taskQueue,
          args: [{ action, reason, request_id, workspace_id: workspaceId, timeout_seconds }],
          workflowIdReusePolicy: "REJECT_DUPLICATE",
          workflowIdConflictPolicy: "USE_EXISTING",
        }),
      );
      return await ours.start(action, reason, options);
    },
  };
}
