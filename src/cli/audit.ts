/** `countersign audit …`: reads the audit log. Nothing here writes to it, and nothing needs a workspace. */
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import { showTrace } from "./audit-show.ts";
import { tailLog } from "./audit-tail.ts";
import { verifyLog } from "./audit-verify.ts";
import type { VerifyFlags } from "./audit-verify.ts";
import type { Io } from "./io.ts";

export function register(program: Command, io: Io): void {
  const audit = program
    .command("audit")
    .summary("check, read and follow the audit log")
    .description("Reads the audit log of AUDIT_LOG_PATH, or the FILEs given. It changes nothing.");

  audit
    .command("verify")
    .summary("check that the log is what its writers wrote")
    .description(
      "Checks every record, the chain of each writer, the requests and their ends, and the signed checkpoints.\n" +
        "Give rotated files too, in any order. The last line names the newest record: keep it elsewhere, and give it\n" +
        "back later with --head to prove that nothing was cut from the log since.\n" +
        "Exit code: 0 clean, 1 damaged, 4 clean but with requests that have no end, 3 cannot be read.",
    )
    .argument("[files...]", "default: AUDIT_LOG_PATH")
    .option("--head <hash:count>", "the last line of an earlier report: that record must be there")
    .option("--checkpoint <file>", "a checkpoint that was kept elsewhere: what it saw must be there")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  countersign audit verify\n  countersign audit verify audit.jsonl.1 audit.jsonl --json | jq .damage",
    )
    .action((files: readonly string[], flags: VerifyFlags) => verifyLog(io, orConfigured(io, files), flags));

  audit
    .command("show")
    .summary("tell one request from its first record to its last")
    .description("Tells the story of one request. TRACE is a trace id, an approval id or a workflow id.")
    .argument("<trace>", "trace id, approval id or workflow id")
    .argument("[files...]", "default: AUDIT_LOG_PATH")
    .option("--json", "print the records as one JSON array")
    .addHelpText("after", "\nExample:\n  countersign audit show 5f0c9b5e-2d3b-4c8e-9a56-0d4a6a4b7c11")
    .action((trace: string, files: readonly string[], flags: { readonly json?: true }) =>
      showTrace(io, trace, orConfigured(io, files), flags.json === true),
    );

  audit
    .command("tail")
    .summary("print the newest records, and follow the log")
    .description("Prints the newest records, one line each. A file that is rotated away is followed.")
    .argument("[file]", "default: AUDIT_LOG_PATH")
    .option("-f, --follow", "go on with what is written, until Ctrl-C")
    .option("-n, --lines <count>", "so many records", "10")
    .option("--json", "print the records as they stand in the log")
    .addHelpText("after", "\nExample:\n  countersign audit tail -f")
    .action((file: string | undefined, flags: { follow?: true; lines: string; json?: true }) =>
      tailLog(io, file ?? configured(io), flags),
    );
}

function orConfigured(io: Io, files: readonly string[]): readonly string[] {
  return files.length > 0 ? files : [configured(io)];
}

function configured(io: Io): string {
  return loadConfig(io.env).audit.path;
}
