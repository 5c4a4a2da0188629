/** `countersign inbox`: a platform of our own, for those who have none. */
import { readFileSync } from "node:fs";
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import { createLogger } from "../log.ts";
import { DEFAULT_DATA_FOLDER, DEMO_WORKSPACE, openDataFolder } from "./data-folder.ts";
import { EXIT } from "./exit-codes.ts";
import { registerTokens } from "./inbox-token.ts";
import type { Io } from "./io.ts";
import { printJson } from "./print-result.ts";
import { listenForStop } from "./stop-signals.ts";

interface InboxFlags {
  readonly port: number;
  readonly host: string;
  readonly data: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecureHttp?: true;
  readonly publicUrl?: string;
  readonly json?: true;
}

const STOP_LIMIT_MS = 10_000;

export function register(program: Command, io: Io): void {
  const inbox = program
    .command("inbox")
    .summary("serve a platform of our own, with a web page to decide on, until stopped")
    .description(
      "Serves the platform's protocol and a web page, for the workspace WORKSPACE_ID or demo and those that have tokens.\n" +
        "Approvals are kept in the data folder, or in the PostgreSQL database that DATABASE_URL names.\n" +
        "The first tokens, of the agent and of the reviewer, are files in the data folder, made at the first start.\n" +
        "Exit code: 0 after SIGTERM, 130 after Ctrl-C, 2 where the port or the folder cannot be used, 3 where the database cannot.",
    )
    .addOption(new Option("-p, --port <number>", "0 takes any free one").argParser(portOf).default(8080))
    .option("--host <address>", "where to listen; beyond loopback it needs TLS", "127.0.0.1")
    .option("--tls-cert <file>", "certificate, PEM; with --tls-key")
    .option("--tls-key <file>", "its private key, PEM")
    .option("--insecure-http", "listen beyond loopback without TLS: everyone on the way can read and decide")
    .option("--public-url <url>", "the address under which others reach it, by a proxy or another name")
    .option("--data <folder>", "where approvals and tokens are", DEFAULT_DATA_FOLDER)
    .option("--json", "when ready, print one JSON object with url and login_url; its log goes to stderr as JSON lines")
    .addHelpText(
      "after",
      "\nExamples:\n  countersign inbox\n  WORKSPACE_ID=ws-1 countersign inbox --port 0 --json\n" +
        "  countersign inbox token create --reviewer 'Ada Lovelace'",
    )
    .action((flags: InboxFlags) => serve(io, flags));
  registerTokens(inbox, io);
}

async function serve(io: Io, flags: InboxFlags): Promise<void> {
  const { workspaceId = DEMO_WORKSPACE, secrets, databaseUrl } = loadConfig(io.env, { database: true });
  const { port, host, insecureHttp, publicUrl } = flags;
  const tls = tlsOf(flags);
  const folder = openDataFolder(flags.data);
  const { openInboxData, serveInbox } = await import("./inbox-data.ts");
  const stop = listenForStop(io, "inbox", STOP_LIMIT_MS);
  try {
    const data = await openInboxData(folder, workspaceId, databaseUrl);
    try {
      const log = createLogger({ name: "inbox", secrets });
      const served = await serveInbox(data, { port, host, tls, insecureHttp, publicUrl, log });
      if (flags.json) printJson(io, { url: served.url, login_url: served.loginUrl });
      else {
        io.out(`Inbox      ${served.url} (workspace ${workspaceId})`);
        io.out(`Log in     ${served.loginUrl}`);
        io.out(`           once, within ten minutes; another link: countersign inbox login`);
        io.out(`Tokens     ${folder.agentTokenFile} and ${folder.reviewerTokenFile}`);
      }
      await aborted(stop.signal);
      await served.stop();
    } finally {
      await data.close();
    }
    io.exitCode = stop.by() === "SIGINT" ? EXIT.interrupted : EXIT.ok;
  } finally {
    stop.release();
  }
}

function tlsOf({ tlsCert, tlsKey }: InboxFlags): { readonly cert: string; readonly key: string } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new ApprovalError("ERR_USAGE", "TLS needs both --tls-cert and --tls-key; give the other file too");
  return { cert: pem("--tls-cert", tlsCert), key: pem("--tls-key", tlsKey) };
}

function pem(option: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ApprovalError("ERR_CONFIG", `${option} ${file} cannot be read: ${messageOf(error)}`, { cause: error });
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
