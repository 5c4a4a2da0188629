/** `countersign request`: asks a person and waits. */
import { Option } from "commander";
import type { Command } from "commander";
import { createApprovals } from "../client/approvals.ts";
import { loadConfig } from "../config.ts";
import { ApprovalError } from "../domain/errors.ts";
import type { Json } from "../domain/request.ts";
import { EXIT, exitCodeOfResult } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { printResult } from "./print-result.ts";
import { note } from "./setup.ts";

interface RequestFlags {
  readonly reason: string;
  readonly requestId?: string;
  readonly timeout?: number;
  readonly context?: { readonly [key: string]: Json };
  readonly json?: true;
}

export function register(program: Command, io: Io): void {
  program
    .command("request")
    .summary("ask for approval and wait for the answer")
    .description(
      "Asks a person for approval of ACTION and waits for the answer.\n" +
        "Exit code: 0 approved; 1 denied, expired, timed out, forbidden or cancelled; 2 misuse; 3 failure.\n" +
        "Ctrl-C withdraws the request first; a second one ends at once and leaves it open.",
    )
    .argument("<action>", "what is to be done, in a few words")
    .option("-r, --reason <text>", "why it is necessary", "")
    .option("--request-id <id>", "name of the request: the same one again picks up the same answer")
    .addOption(new Option("-t, --timeout <seconds>", "how long to wait (default: APPROVAL_TIMEOUT)").argParser(Number))
    .addOption(
      new Option("-c, --context <json>", "further facts for the approver, a JSON object").argParser(parseContext),
    )
    .option("--json", "print the result as one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  countersign request "drop the staging database" --reason "schema was rebuilt"
  countersign request "pay invoice 4711" --context '{"amount":"120.00 EUR"}' --timeout 3600
  countersign request "deploy v2" --request-id deploy-v2 --json && ./deploy.sh`,
    )
    .action((action: string, flags: RequestFlags) => request(io, action, flags));
}

async function request(io: Io, action: string, flags: RequestFlags): Promise<void> {
  const config = loadConfig(io.env);
  for (const warning of config.warnings) note(io, warning);
  const approvals = createApprovals(config, { warn: (warning) => note(io, warning.message) });
  const interrupted = new AbortController();
  const callOff = io.onInterrupt(() => {
    note(io, "Withdrawing the request; press Ctrl-C again to leave it open");
    interrupted.abort();
  });
  try {
    const result = await approvals.request(action, flags.reason, {
      requestId: flags.requestId,
      timeoutSeconds: flags.timeout,
      context: flags.context,
      signal: interrupted.signal,
    });
    printResult(io, result, flags.json === true);
    io.exitCode = interrupted.signal.aborted ? EXIT.interrupted : exitCodeOfResult(result);
  } finally {
    callOff();
  }
}

function parseContext(text: string): { readonly [key: string]: Json } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ApprovalError("ERR_USAGE", `--context is not JSON: ${(error as Error).message}`, { cause: error });
  }
  // What is no object is told by the check of the request.
  return value as { readonly [key: string]: Json };
}
