import { runChild } from "./child.mjs";
import { SetupError, say } from "./prepare.mjs";

/**
 * Runs Node on a script beside a Temporal dev server of its own, and stops the server whatever happens. The script finds it by
 * COUNTERSIGN_TEST_TEMPORAL (address) and COUNTERSIGN_TEST_TEMPORAL_CLI (path of the binary). Answers the exit code.
 */
export async function runWithTemporal(args) {
  const { resolveDevServer } = await import("../dist/src/dev-server/resolve.js");
  const { startDevServer } = await import("../dist/src/dev-server/start.js");
  let server;
  let binary;
  try {
    binary = await resolveDevServer({ env: process.env, onProgress: say });
    server = await startDevServer({ binary: binary.path });
  } catch (error) {
    if (error.code === "ERR_DEV_SERVER") throw new SetupError(error.message);
    throw error;
  }
  try {
    return await runChild(args, {
      ...process.env,
      COUNTERSIGN_TEST_TEMPORAL: server.address,
      COUNTERSIGN_TEST_TEMPORAL_CLI: binary.path,
    });
  } finally {
    await server.stop();
  }
}
