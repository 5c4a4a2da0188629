/** `countersign up`: everything on this machine, for a first look and for development. */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Option } from "commander";
import type { Command } from "commander";
import { createApprovals } from "../client/approvals.ts";
import { processEnvironment } from "../config.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import { visible } from "../domain/text.ts";
import { coloured } from "./colour.ts";
import { DEFAULT_DATA_FOLDER, openDataFolder } from "./data-folder.ts";
import type { DataFolder } from "./data-folder.ts";
import { shellQuoted } from "./embedded-env.ts";
import type { EmbeddedStack } from "./embedded-stack.ts";
import { EXIT, exitCodeOfResult } from "./exit-codes.ts";
import { lockFolder } from "./folder-lock.ts";
import type { Io } from "./io.ts";
import { printResult } from "./print-result.ts";
import type { Asked } from "./sample-agent.ts";
import { note } from "./setup.ts";
import { listenForStop } from "./stop-signals.ts";

interface UpFlags {
  readonly data: string;
  readonly sample?: true;
  readonly decide?: "approved" | "denied";
}

/** Draining takes up to 8 s, and the Temporal server up to 10 s more. */
const STOP_LIMIT_MS = 20_000;
const BIN = fileURLToPath(new URL("../../../bin/countersign.js", import.meta.url));

export function register(program: Command, io: Io): void {
  program
    .command("up")
    .summary("run everything on this machine, until stopped")
    .description(
      "Runs a Temporal dev server with its web UI, an inbox, a worker and a bridge, for WORKSPACE_ID or demo.\n" +
        "The first run may have to download or build the Temporal server. Busy ports are replaced by the next free ones.\n" +
        "Other settings of the environment count as usual. Exit code: 130 after Ctrl-C; with --sample 0 where a person\n" +
        "decided, 1 where nobody did; 2 misuse, 3 failure.",
    )
    .option("--data <folder>", "tokens, Temporal's database, audit log and logs", DEFAULT_DATA_FOLDER)
    .option("--sample", "let a sample agent ask for approval, and end when that is decided")
    .addOption(
      new Option("--decide <decision>", "as --sample, decide by itself, and print the result as JSON").choices([
        "approved",
        "denied",
      ]),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  countersign up\n  countersign up --sample\n  countersign up --decide approved",
    )
    .action((flags: UpFlags) => up(io, flags));
}

async function up(io: Io, flags: UpFlags): Promise<void> {
  const folder = openDataFolder(flags.data);
  const unlock = lockFolder(folder.lockFile);
  const stop = listenForStop(io, "up", STOP_LIMIT_MS);
  const over = new AbortController();
  const signal = AbortSignal.any([stop.signal, over.signal]);
  let stack: EmbeddedStack | undefined;
  try {
    tell(io, "Data", folder.path);
    const { startEmbeddedStack } = await import("./embedded-stack.ts");
    stack = await startEmbeddedStack({
      folder,
      env: io.env ?? processEnvironment(),
      signal: stop.signal,
      tell: (label, text) => tell(io, label, text),
    });
    for (const warning of stack.config.warnings) note(io, warning);
    await tellOfWaiting(io, stack);
    const sample = flags.sample === true || flags.decide !== undefined;
    await Promise.race([sample ? ask(io, flags, folder, stack, signal) : stay(io, folder, signal), stack.failed]);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    over.abort();
    await stack?.stop();
    unlock();
    stop.release();
  }
  if (stop.signal.aborted) io.exitCode = EXIT.interrupted;
}

/** Until Ctrl-C. */
async function stay(io: Io, folder: DataFolder, signal: AbortSignal): Promise<void> {
  tell(io, "Ask", `in another terminal: ${commandLine(folder, 'request "drop the staging database"')}`);
  tell(io, "Decide", `${commandLine(folder, "list")}, then approve ID or deny ID`);
  tell(io, "Ready", "Ctrl-C stops everything");
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function ask(
  io: Io,
  { decide }: UpFlags,
  folder: DataFolder,
  stack: EmbeddedStack,
  signal: AbortSignal,
): Promise<void> {
  const { runSampleAgent } = await import("./sample-agent.ts");
  const result = await runSampleAgent({
    stack,
    decide,
    signal,
    warn: (message) => note(io, message),
    onAsked: (asked) => tellOfQuestion(io, asked, decide !== undefined, folder, stack),
  });
  printResult(io, result, decide !== undefined);
  io.exitCode = exitCodeOf(result);
}

/** For this command a person's no is as good as a yes: the question was answered. */
function exitCodeOf(result: ApprovalResult): number {
  return result.status === "denied" ? EXIT.ok : exitCodeOfResult(result);
}

function tellOfQuestion(io: Io, asked: Asked, decided: boolean, folder: DataFolder, stack: EmbeddedStack): void {
  tell(io, "Question", `"${asked.action}": ${asked.reason}`);
  tell(io, "Approval", asked.approvalId);
  tell(io, "Workflow", `${stack.uiUrl}/namespaces/default/workflows/${encodeURIComponent(asked.workflowId)}`);
  if (decided) return;
  tell(io, "Approve", `in another terminal: ${commandLine(folder, `approve ${asked.approvalId}`)}`);
  tell(io, "Deny", `or: ${commandLine(folder, `deny ${asked.approvalId}`)}`);
  tell(io, "Waiting", `at most ${stack.config.approvalTimeoutSeconds} s; Ctrl-C stops everything`);
}

/** What an earlier run left waiting: Temporal kept it. */
async function tellOfWaiting(io: Io, stack: EmbeddedStack): Promise<void> {
  const waiting = await createApprovals(stack.config).list();
  for (const { workflow_id, summary } of waiting.slice(0, 5)) {
    tell(io, "Pending", `${workflow_id}${summary === undefined ? "" : ` (${summary})`}, from before`);
  }
  if (waiting.length > 5) tell(io, "Pending", `and ${waiting.length - 5} more`);
}

function commandLine(folder: DataFolder, command: string): string {
  const near = (path: string): string => {
    const short = relative("", path);
    return shellQuoted(short.startsWith("..") ? path : short);
  };
  const env = near(folder.envFile);
  // Without a slash the shell would look for the file on PATH.
  return `. ${env.includes("/") ? env : `./${env}`} && node ${near(BIN)} ${command}`;
}

function tell(io: Io, label: string, text: string): void {
  io.err(`${coloured(label.padEnd(10), "dim", io.colour.err)} ${visible(text)}`);
}
