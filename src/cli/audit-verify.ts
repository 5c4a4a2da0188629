/** `countersign audit verify`: what is wrong with the log, for people and for scripts. */
import type { AuditReport, Finding } from "../audit/report.ts";
import { verifyAudit } from "../audit/verify.ts";
import { ApprovalError } from "../domain/errors.ts";
import { visible } from "../domain/text.ts";
import { coloured } from "./colour.ts";
import type { Io } from "./io.ts";
import { printJson } from "./print-result.ts";

export interface VerifyFlags {
  readonly head?: string;
  readonly checkpoint?: string;
  readonly json?: true;
}

const EXIT_OF = { clean: 0, damaged: 1, incomplete: 4 } as const;
/** Enough to see what happened; `--json` has more. */
const SHOWN = 50;

export async function verifyLog(io: Io, files: readonly string[], flags: VerifyFlags): Promise<void> {
  const { head, checkpoint, json } = flags;
  const report = await verifyAudit({
    files,
    ...(head === undefined ? {} : { head: headOf(head) }),
    ...(checkpoint === undefined ? {} : { keptCheckpoints: [checkpoint] }),
  });
  io.exitCode = EXIT_OF[report.status];
  if (json === true) printJson(io, report);
  else print(io, report);
}

function headOf(text: string): { readonly hash: string; readonly count: number } {
  const [, hash, count] = /^([0-9a-f]{64}):(\d{1,15})$/.exec(text) ?? [];
  if (hash !== undefined && count !== undefined) return { hash, count: Number(count) };
  throw new ApprovalError("ERR_USAGE", `--head takes HASH:COUNT as the last line of a report has it, not ${text}`);
}

function print(io: Io, report: AuditReport): void {
  const { damage, incomplete, notes, omitted, head } = report;
  for (const { file, bytes, lines } of report.files)
    io.out(visible(`${file}: ${count(lines, "line")}, ${count(bytes, "byte")}`));
  io.out(
    `${count(report.records, "record")} by ${count(report.writers, "writer")}, ` +
      `${count(report.traces, "trace")} (${report.open} open), ${count(report.checkpoints, "checkpoint")}`,
  );
  for (const note of notes) io.out(`note: ${visible(note)}`);
  list(io, damage, "red", "damaged");
  list(io, incomplete, "yellow", "incomplete");
  if (omitted > 0) io.out(`and ${omitted} more, which are not listed`);
  if (report.status === "damaged")
    io.out(coloured(`The log is damaged: ${count(damage.length + omitted, "finding")}.`, "red", io.colour.out));
  else if (report.status === "incomplete")
    io.out(
      coloured(`The log is whole; ${count(incomplete.length + omitted, "trace")} incomplete.`, "yellow", io.colour.out),
    );
  else io.out(coloured("The log is whole.", "green", io.colour.out));
  // A damaged log has no head that is worth keeping.
  if (head !== undefined && report.status !== "damaged") io.out(`head ${head.hash}:${head.count}`);
}

function list(io: Io, findings: readonly Finding[], colour: "red" | "yellow", word: string): void {
  for (const { kind, place, text } of findings.slice(0, SHOWN)) {
    const where = place === undefined ? "" : ` ${place.file}:${place.line} (byte ${place.byte})`;
    io.out(`${coloured(word, colour, io.colour.out)}${visible(where)}: ${visible(text)} [${kind}]`);
  }
  if (findings.length > SHOWN) io.out(`and ${findings.length - SHOWN} more; --json has them`);
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? "" : "s"}`;
}
