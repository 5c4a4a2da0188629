/** `countersign worker`: runs the workflows and the activities of a workspace. */
import type { Command } from "commander";
import type { Io } from "./io.ts";
import { runService } from "./run-service.ts";

export function register(program: Command, io: Io): void {
  program
    .command("worker")
    .summary("run the workflows of a workspace, until stopped")
    .description(
      "Runs the workflows and the activities of WORKSPACE_ID until SIGTERM or Ctrl-C. Several may run side by side.\n" +
        "It waits while Temporal or the platform is down. One line on stderr says what it serves; its log follows as JSON lines.\n" +
        "Exit code: 0 after SIGTERM, 130 after Ctrl-C, 2 configuration, 3 the audit log cannot be written.",
    )
    .addHelpText("after", "\nExample:\n  WORKSPACE_ID=ws-1 AUDIT_LOG_PATH=./audit.jsonl countersign worker")
    .action(() =>
      runService(io, {
        name: "worker",
        version: program.version() ?? "",
        queueOf: ({ taskQueue }) => taskQueue,
        async run(config, options) {
          // Loaded here: the native part of the SDK is slow to load, and the other commands do without.
          const { runWorker } = await import("../worker.ts");
          await runWorker(config, options);
        },
      }),
    );
}
