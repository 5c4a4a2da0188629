/**
 * The SDK's download, in a process of its own so that it can be killed: the SDK sets no time limit on it.
 * Argument: the folder to download into. The parent takes the file as soon as it is whole.
 */
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { DefaultLogger, Runtime } from "@temporalio/worker";

// The parent is gone: take everything started here along.
process.on("disconnect", () => process.kill(-process.pid, "SIGKILL"));

Runtime.install({ logger: new DefaultLogger("ERROR") });
try {
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: "cached-download", downloadDir: process.argv[2] as string, ttl: "1 day" } },
  });
  await environment.teardown();
  process.exitCode = 0;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
if (process.connected) process.disconnect();
