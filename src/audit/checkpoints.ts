/** Writes checkpoints of a log: at its first records, every 1,000 records, 60 s, and at the end. */
import type { KeyObject } from "node:crypto";
import { mkdir, open, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { messageOf } from "../domain/errors.ts";
import { parseCheckpoint, signed, type CheckpointFacts } from "./checkpoint.ts";
import { signingKey } from "./signing-key.ts";

/** Where the checkpoints of a log are, unless somebody says otherwise. */
export function checkpointFolder(path: string): string {
  return `${path}.checkpoints`;
}

/** Names of the files in it: one for each day, by UTC. */
export const DAY_FILE = /^\d{4}-\d{2}-\d{2}\.jsonl$/;

/** The heads of the newest checkpoint; none where there is none that can be read. */
export async function newestHeads(path: string): Promise<readonly string[]> {
  const folder = checkpointFolder(path);
  try {
    const day = (await readdir(folder))
      .filter((name) => DAY_FILE.test(name))
      .toSorted()
      .at(-1);
    const lines = day === undefined ? [] : (await readFile(join(folder, day), "utf8")).split("\n");
    return lines.flatMap((line) => parseCheckpoint(line) ?? []).at(-1)?.heads ?? [];
  } catch {
    return [];
  }
}

export interface CheckpointOptions {
  readonly path: string;
  readonly writerId: string;
  /** Default 1,000. */
  readonly everyRecords?: number;
  /** Default 60,000. */
  readonly everyMs?: number;
  /** Called with what is wrong, and with `undefined` when it is well again. A log without checkpoints is still written. */
  readonly onProblem?: (problem: string | undefined) => void;
}

/** The log after a flush. */
export type Position = Pick<CheckpointFacts, "file_first" | "size" | "heads" | "records">;

export interface Checkpoints {
  /** Tells where the log stands, and writes a checkpoint where one is due. Never rejects. */
  reached(position: Position): Promise<void>;
  /** Writes the last one where there is something new. Never rejects. */
  close(): Promise<void>;
}

export function createCheckpoints(options: CheckpointOptions): Checkpoints {
  const { path, writerId, everyRecords = 1_000, everyMs = 60_000, onProblem } = options;
  const folder = checkpointFolder(path);
  let key: KeyObject | undefined;
  let number = 0;
  let latest: Position | undefined;
  let told: Position | undefined;
  let timer: NodeJS.Timeout | undefined;
  let last: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const position = latest;
    if (position === undefined || position === told) return;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      key ??= await signingKey(folder);
      const time = new Date().toISOString();
      const facts = { time, file: basename(path), ...position, writer_id: writerId, number: number + 1 };
      await appendLine(join(folder, `${time.slice(0, 10)}.jsonl`), JSON.stringify(signed(facts, key)));
      number++;
      told = position;
      onProblem?.(undefined);
    } catch (error) {
      onProblem?.(`no checkpoint of the audit log can be written in ${folder}: ${messageOf(error)}`);
      wake();
    }
  }

  /** One at a time: the timer may come while one is being written. */
  function inTurn(): Promise<void> {
    last = last.then(write);
    return last;
  }

  function wake(): void {
    timer ??= setTimeout(() => void inTurn(), everyMs).unref();
  }

  return {
    async reached(position) {
      latest = position;
      const isFirst = told?.file_first !== position.file_first;
      if (isFirst || position.records - (told?.records ?? 0) >= everyRecords) await inTurn();
      else wake();
    },
    async close() {
      await inTurn();
      clearTimeout(timer);
    },
  };
}

async function appendLine(path: string, line: string): Promise<void> {
  const file = await open(path, "a+", 0o600);
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    // After one that was torn, this one starts a line of its own.
    const start = size === 0 || buffer[0] === 0x0a ? "" : "\n";
    const bytes = Buffer.from(`${start}${line}\n`);
    const { bytesWritten } = await file.write(bytes);
    if (bytesWritten !== bytes.length) throw new Error(`only ${bytesWritten} of ${bytes.length} bytes were written`);
    await file.sync();
  } finally {
    await file.close();
  }
}
