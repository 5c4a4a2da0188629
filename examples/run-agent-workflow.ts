/** Runs the agent of agent-workflow.ts once, with a worker of its own: node dist/examples/run-agent-workflow.js <workspace> <temporal> */
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import type { forgetCustomers } from "./agent-workflow.ts";

const [workspaceId = "demo", address = "localhost:7233"] = process.argv.slice(2);
const taskQueue = `agents-${workspaceId}`;

Runtime.install({ logger: new DefaultLogger("WARN") });
const native = await NativeConnection.connect({ address });
const connection = await Connection.connect({ address });
try {
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowsPath: fileURLToPath(new URL("./agent-workflow.js", import.meta.url)),
  });
  const { workflow } = new Client({ connection });
  const done = await worker.runUntil(
    workflow.execute<typeof forgetCustomers>("forgetCustomers", {
      workflowId: `forget-${randomUUID()}`,
      taskQueue,
      args: [workspaceId, 312],
    }),
  );
  console.log(done);
} finally {
  await connection.close();
  await native.close();
}
