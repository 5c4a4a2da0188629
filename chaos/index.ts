/**
 * `npm run chaos`: the rows of the fault matrix, each against real processes on a real Temporal server.
 * `npm run chaos -- 13 40` runs these rows; `--long` adds the long forms, `--runs 3` repeats each, `--seed N` replays a run.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { Field } from "./field.ts";
import { printTable, writeReport, type Played } from "./report.ts";
import type { Row } from "./row.ts";
import { ROWS } from "./rows/index.ts";

const AT_ONCE = 3;
const LIMIT_MS = 60_000;
const STILL_MS = 60_000;

const playing = new Set<Field>();
let stopping = false;

async function play(row: Row, seed: number): Promise<Played> {
  const field = new Field(seed);
  playing.add(field);
  const from = performance.now();
  let limit: NodeJS.Timeout | undefined;
  const still = setInterval(() => {
    process.stderr.write(`...  ${row.row} ${row.name} (${Math.round(seconds())} s so far)\n`);
  }, STILL_MS);
  const limitMs = row.limitMs ?? LIMIT_MS;
  const base = { row: row.row, name: row.name };
  const seconds = () => Math.round((performance.now() - from) / 100) / 10;
  try {
    const over = new Promise<never>((_, reject) => {
      limit = setTimeout(() => reject(new Error(`not over within ${limitMs / 1_000} s`)), limitMs);
    });
    const run = async () => {
      const figures = (await row.run(field)) ?? {};
      await field.checkAll();
      return figures;
    };
    const running = run();
    // After its limit it may still fail in some other way, which nobody waits for.
    running.catch(() => {});
    const figures = await Promise.race([running, over]);
    return { ...base, figures, seconds: seconds() };
  } catch (error) {
    return {
      ...base,
      figures: {},
      seconds: seconds(),
      problem: error instanceof Error ? error.message : String(error),
    };
  } finally {
    clearTimeout(limit);
    clearInterval(still);
    await field.end();
    playing.delete(field);
  }
}

async function playAll(rows: readonly Row[], seed: number, played: Played[]): Promise<void> {
  const queue = [...rows];
  const note = (one: Played) => {
    // A row that is cut short says nothing.
    if (stopping) return;
    played.push(one);
    process.stderr.write(
      `${one.problem === undefined ? "ok  " : "FAIL"} ${one.row} ${one.name} (${one.seconds} s)${one.problem === undefined ? "" : `: ${one.problem}`}\n`,
    );
  };
  const lane = async (): Promise<void> => {
    for (let row = queue.shift(); row !== undefined && !stopping; row = queue.shift()) note(await play(row, seed));
  };
  const alone = queue.filter((row) => row.alone === true);
  queue.splice(0, queue.length, ...queue.filter((row) => row.alone !== true));
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  for (const row of alone) if (!stopping) note(await play(row, seed));
  // The signal's handler ends the process, when everything is cleaned up.
  if (stopping) await new Promise<never>(() => {});
}

/** Prints what was found; true where nothing failed. */
function tell(played: readonly Played[]): boolean {
  printTable(played);
  const failed = played.filter((one) => one.problem !== undefined).length;
  process.stdout.write(`${played.length - failed} passed, ${failed} failed\n`);
  return failed === 0;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { long: { type: "boolean" }, seed: { type: "string" }, runs: { type: "string" } },
});
const wanted = positionals.map(Number);
const long = values.long === true;
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const runs = Number(values.runs ?? 1);
const rows = ROWS.filter((row) => (wanted.length === 0 || wanted.includes(row.row)) && (long || row.longOnly !== true));
if (rows.length === 0 || !Number.isSafeInteger(seed) || !Number.isSafeInteger(runs)) {
  process.stderr.write(
    "usage: npm run chaos -- [ROW…] [--long] [--runs N] [--seed N]; rows are numbers from 1 to 54\n",
  );
  process.exit(2);
}
process.stderr.write(`seed ${seed}\n`);
const played: Played[] = [];
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    stopping = true;
    process.stderr.write("stopping\n");
    void Promise.allSettled([...playing].map((field) => field.end())).then(() => {
      tell(played);
      process.exit(130);
    });
  });
}
// A library's stray rejection must not end the suite: every row judges for itself what it has lost.
process.on("unhandledRejection", (error) => process.stderr.write(`unhandled: ${String(error)}\n`));

for (let run = 0; run < runs; run++) await playAll(rows, seed, played);
await writeReport("chaos-report.json", played, seed);
process.exit(tell(played) ? 0 : 1);
