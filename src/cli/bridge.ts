/** `countersign bridge`: holds the platform's socket for a workspace. */
import type { Command } from "commander";
import type { Io } from "./io.ts";
import { runService } from "./run-service.ts";
import { note } from "./setup.ts";

export function register(program: Command, io: Io): void {
  program
    .command("bridge")
    .summary("hold the platform's socket of a workspace, until stopped")
    .description(
      "Holds the platform's WebSocket while something waits in WORKSPACE_ID, so that decisions arrive at once.\n" +
        "Without a bridge they arrive by polling. Several are hot spares of each other; killing one loses nothing.\n" +
        "Exit code: 0 after SIGTERM, 130 after Ctrl-C, 2 configuration.",
    )
    .addHelpText("after", "\nExample:\n  WORKSPACE_ID=ws-1 PLATFORM_TOKEN_FILE=./token countersign bridge")
    .action(() =>
      runService(io, {
        name: "bridge",
        version: program.version() ?? "",
        queueOf: ({ bridgeTaskQueue }) => bridgeTaskQueue,
        async run(config, options) {
          if (!config.useWebSocket) note(io, "APPROVAL_USE_WEBSOCKET is false: the bridge will have nothing to do");
          const { runBridge } = await import("../bridge/bridge.ts");
          await runBridge(config, options);
        },
      }),
    );
}
