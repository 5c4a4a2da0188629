/** The `countersign` command: parses, runs one command, and says with which code to exit. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import * as audit from "./audit.ts";
import * as bridge from "./bridge.ts";
import { coloured } from "./colour.ts";
import * as decide from "./decide.ts";
import * as doctor from "./doctor.ts";
import { EXIT, exitCodeOfError } from "./exit-codes.ts";
import * as inbox from "./inbox.ts";
import { processIo } from "./io.ts";
import type { Io } from "./io.ts";
import * as list from "./list.ts";
import * as request from "./request.ts";
import * as show from "./show.ts";
import { shown } from "./shown.ts";
import * as up from "./up.ts";
import * as withdraw from "./withdraw.ts";
import * as worker from "./worker.ts";

// In the order of the help.
const COMMANDS: readonly { register(program: Command, io: Io): void }[] = [
  request,
  list,
  show,
  decide,
  withdraw,
  up,
  worker,
  bridge,
  inbox,
  audit,
  doctor,
];

/** Runs `countersign <argv…>`, where `argv` is `process.argv.slice(2)`, and returns the exit code. Never throws. */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  const program = createProgram(io);
  try {
    if (argv.length === 0) {
      program.outputHelp({ error: true });
      return EXIT.misuse;
    }
    await program.parseAsync([...argv], { from: "user" });
    return io.exitCode;
  } catch (error) {
    // Commander has printed its own already, and throws for --help and --version too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.misuse;
    io.err(coloured(`countersign: ${shown(io, messageOf(error))}`, "red", io.colour.err));
    return error instanceof ApprovalError ? exitCodeOfError(error.code) : EXIT.failure;
  }
}

function createProgram(io: Io): Command {
  const program = new Command("countersign")
    .description("Durable human approvals for AI agents: an agent asks, a person decides.")
    .version(versionOf())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
      getOutHasColors: () => io.colour.out,
      getErrHasColors: () => io.colour.err,
      outputError: (text, write) =>
        write(coloured(text.trimEnd().replace(/^error: /, "countersign: "), "red", io.colour.err)),
    })
    .showHelpAfterError("See: countersign help")
    .addHelpText(
      "after",
      `
Exit codes: 0 approved or done, 1 not approved, 2 misuse or configuration, 3 failure or unreachable, 130 Ctrl-C.
Settings come from the environment: docs/configuration.md.

Example:
  WORKSPACE_ID=ws-1 countersign request "drop the staging database" --reason "schema was rebuilt"`,
    );
  for (const { register } of COMMANDS) register(program, io);
  return program;
}

function versionOf(): string {
  // dist/src/cli/main.js: the package is three folders up.
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
