/**
 * The SDK's download, in a process of its own so that it can be killed: the SDK sets no time limit on it.
 * Argument: the folder to download into. The parent takes the file as soon as it is whole.
 */
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { DefaultLogger, Runtime } from "@temporalio/worker";

const endWithParent = () => process.kill(-process.pid, "SIGKILL");
// The parent is gone: take everything started here along.
process.on("disconnect", endWithParent);

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
process.off("disconnect", endWithParent);
if (process.connected) process.disconnect();
