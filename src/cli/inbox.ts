/** `countersign inbox`: a platform of our own, for those who have none. */
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import { createLogger } from "../log.ts";
import { DEFAULT_DATA_FOLDER, DEMO_WORKSPACE, openDataFolder, tokenListOf } from "./data-folder.ts";
import { EXIT } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { printJson } from "./print-result.ts";
import { listenForStop } from "./stop-signals.ts";

interface InboxFlags {
  readonly port: number;
  readonly data: string;
  readonly json?: true;
}

const STOP_LIMIT_MS = 10_000;

export function register(program: Command, io: Io): void {
  program
    .command("inbox")
    .summary("serve a platform of our own on loopback, until stopped")
    .description(
      "Serves the platform's protocol on 127.0.0.1, for the workspace WORKSPACE_ID or demo. Approvals are kept in memory.\n" +
        "The tokens of the agent and of the reviewer are files in the data folder, made at the first start.\n" +
        "Exit code: 0 after SIGTERM, 130 after Ctrl-C, 2 where the port or the folder cannot be used.",
    )
    .addOption(new Option("-p, --port <number>", "0 takes any free one").argParser(portOf).default(8080))
    .option("--data <folder>", "where the tokens are", DEFAULT_DATA_FOLDER)
    .option("--json", "when ready, print one JSON object with its url; its log goes to stderr as JSON lines")
    .addHelpText("after", "\nExamples:\n  countersign inbox\n  WORKSPACE_ID=ws-1 countersign inbox --port 0 --json")
    .action((flags: InboxFlags) => inbox(io, flags));
}

async function inbox(io: Io, { port, data, json }: InboxFlags): Promise<void> {
  const { workspaceId = DEMO_WORKSPACE, secrets } = loadConfig(io.env);
  const folder = openDataFolder(data);
  const [{ startInbox }, { createMemoryStore }, { createTokens }] = await Promise.all([
    import("../inbox/server.ts"),
    import("../inbox/memory-store.ts"),
    import("../inbox/tokens.ts"),
  ]);
  const stop = listenForStop(io, "inbox", STOP_LIMIT_MS);
  try {
    const served = await startInbox({
      port,
      store: createMemoryStore(),
      tokens: createTokens(tokenListOf(folder, workspaceId)),
      log: createLogger({ name: "inbox", secrets }),
    });
    if (json) printJson(io, { url: served.url });
    else {
      io.out(`Inbox      ${served.url} (workspace ${workspaceId})`);
      io.out(`Tokens     ${folder.agentTokenFile} and ${folder.reviewerTokenFile}`);
    }
    await aborted(stop.signal);
    await served.stop();
    io.exitCode = stop.by() === "SIGINT" ? EXIT.interrupted : EXIT.ok;
  } finally {
    stop.release();
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a whole number from 0 to 65535.");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
