/** What a run of the fault suite found: a table for people, a file for programs. */
import { writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import type { Figures } from "./row.ts";

export interface Played {
  readonly row: number;
  readonly name: string;
  readonly figures: Figures;
  readonly seconds: number;
  /** Why it failed; absent where it passed. */
  readonly problem?: string;
}

export function printTable(played: readonly Played[]): void {
  for (const { row, name, figures, seconds, problem } of byRow(played)) {
    const measured = Object.entries(figures).map(([key, value]) => `${key} ${value}`);
    const verdict = problem === undefined ? "ok" : "FAILED";
    process.stdout.write(
      `${[String(row).padStart(2), verdict.padEnd(6), `${seconds} s`.padStart(7), name, ...measured].join("  ")}\n`,
    );
  }
}

export async function writeReport(path: string, played: readonly Played[], seed: number): Promise<void> {
  const groups = new Map<string, Played[]>();
  for (const one of byRow(played))
    groups.set(`${one.row} ${one.name}`, [...(groups.get(`${one.row} ${one.name}`) ?? []), one]);
  const rows = [...groups.values()].map((runs) => ({
    row: runs[0]?.row,
    name: runs[0]?.name,
    runs: runs.length,
    failed: runs.filter((one) => one.problem !== undefined).length,
    seconds: runs.map((one) => one.seconds),
    figures: runs.map((one) => one.figures),
    problems: runs.flatMap((one) => one.problem ?? []),
  }));
  const machine = { cores: cpus().length, memory_gib: Math.round(totalmem() / 2 ** 30), node: process.version };
  await writeFile(path, `${JSON.stringify({ seed, machine, rows }, undefined, 2)}\n`);
}

function byRow(played: readonly Played[]): readonly Played[] {
  return played.toSorted((a, b) => a.row - b.row);
}
