/**
 * Asking with nothing but Temporal's client, as a program in any language can: node dist/examples/plain-client.js <workspace> <temporal>
 * Names and input are told in docs/agent-api.md, "From anything else".
 */
import { randomUUID } from "node:crypto";
import { Client, Connection } from "@temporalio/client";

const [workspaceId = "demo", address = "localhost:7233"] = process.argv.slice(2);
const requestId = randomUUID();

const connection = await Connection.connect({ address });
try {
  const result: unknown = await new Client({ connection }).workflow.execute("requestApproval", {
    workflowId: `approval:${workspaceId}:${requestId}`,
    taskQueue: `approvals-${workspaceId}`,
    // An id that was used once must never ask, or answer, a second time.
    workflowIdReusePolicy: "REJECT_DUPLICATE",
    args: [
      {
        action: "Rotate the signing keys",
        reason: "They are a year old",
        request_id: requestId,
        workspace_id: workspaceId,
      },
    ],
  });
  console.log(JSON.stringify(result));
} finally {
  await connection.close();
}
