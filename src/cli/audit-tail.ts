/** `countersign audit tail`: the newest records, and those that follow. */
import { watch } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { readLines } from "../audit/log-files.ts";
import { ApprovalError } from "../domain/errors.ts";
import { visible, visibleJson } from "../domain/text.ts";
import { sentence, textOf, type AuditFields } from "./audit-story.ts";
import { EXIT } from "./exit-codes.ts";
import type { Io } from "./io.ts";

/** Where changes are not announced, as on a network file system, they are looked for. */
const LOOK_MS = 1_000;

export interface TailFlags {
  readonly follow?: true;
  readonly lines: string;
  readonly json?: true;
}

export async function tailLog(io: Io, path: string, { follow, lines, json }: TailFlags): Promise<void> {
  if (!/^\d{1,7}$/.test(lines)) throw new ApprovalError("ERR_USAGE", `--lines takes a whole number, not ${lines}`);
  const most = Number(lines);
  const newest: string[] = [];
  const { wholeBytes } = readLines(path, (line) => {
    newest.push(line.toString("utf8"));
    if (newest.length > most) newest.shift();
  });
  for (const line of newest) print(io, line, json === true);
  if (follow === true) await followFrom(io, path, wholeBytes, json === true);
}

async function followFrom(io: Io, path: string, start: number, json: boolean): Promise<void> {
  const stopped = new AbortController();
  const release = io.onInterrupt(() => {
    io.exitCode = EXIT.interrupted;
    stopped.abort();
  });
  let place = { file: "", at: start };
  let wake = (): void => undefined;
  const watcher = watch(dirname(path), (_, name) => {
    if (name === null || name === basename(path)) wake();
  });
  // The timer looks too.
  watcher.on("error", () => watcher.close());
  try {
    while (!stopped.signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        stopped.signal.addEventListener("abort", wake, { once: true });
      });
      place = await printNew(io, path, place, json);
      await changed;
      stopped.signal.removeEventListener("abort", wake);
    }
  } finally {
    watcher.close();
    release();
  }
}

/** Prints the whole lines behind the place. A file that was rotated away or truncated is begun anew. */
async function printNew(
  io: Io,
  path: string,
  place: { file: string; at: number },
  json: boolean,
): Promise<{ file: string; at: number }> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return place;
  try {
    const { dev, ino, size } = await file.stat();
    const name = `${dev}:${ino}`;
    const isSame = (place.file === "" || place.file === name) && size >= place.at;
    let at = isSame ? place.at : 0;
    const buffer = Buffer.alloc(size - at);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    const whole = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
    for (const line of buffer.toString("utf8", 0, whole).split("\n").slice(0, -1)) print(io, line, json);
    at += whole;
    return { file: name, at };
  } finally {
    await file.close();
  }
}

function print(io: Io, line: string, json: boolean): void {
  if (line.trim() === "") return;
  if (json) return io.out(visibleJson(line));
  let record: AuditFields = {};
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) record = value as AuditFields;
  } catch {
    return io.out(visible(line));
  }
  const words = [textOf(record["timestamp"]), textOf(record["trace_id"]), sentence(record)];
  const action = textOf(record["resource"]);
  io.out(visible(`${words.join("  ")}${action === "" ? "" : ` | ${action}`}`));
}
