/** Reads the files of a log line by line, however large they are. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { parseTime } from "../domain/deadline.ts";
import { ApprovalError, messageOf } from "../domain/errors.ts";

const CHUNK = 1024 * 1024;
const NEWLINE = 0x0a;
/** What is longer is no record, and is not kept in memory. */
const LONGEST = 1024 * 1024;

export interface LineVisitor {
  /** `line` without its newline, valid during the call only; `at` is its first byte, `number` counts from 1. */
  (line: Buffer, at: number, number: number): void;
}

export interface FileRead {
  /** Bytes of all whole lines. */
  readonly wholeBytes: number;
  /** Bytes behind the last newline: a line that is being written, or was torn. */
  readonly tornBytes: number;
  readonly lines: number;
}

/** Visits every whole line. Throws ApprovalError ERR_AUDIT where the file cannot be read. */
export function readLines(path: string, visit: LineVisitor): FileRead {
  return withFile(path, (file) => {
    const chunk = Buffer.alloc(CHUNK);
    let kept: Buffer[] = [];
    let keptBytes = 0;
    let lineAt = 0;
    let lines = 0;
    for (let position = 0; ;) {
      const read = readSync(file, chunk, 0, CHUNK, position);
      if (read === 0) return { wholeBytes: lineAt, tornBytes: position - lineAt, lines };
      let start = 0;
      for (let end = indexIn(chunk, start, read); end >= 0; end = indexIn(chunk, start, read)) {
        const part = chunk.subarray(start, end);
        lines++;
        visit(kept.length === 0 ? part : Buffer.concat([...kept, part]), lineAt, lines);
        kept = [];
        keptBytes = 0;
        start = end + 1;
        lineAt = position + start;
      }
      if (start < read && keptBytes <= LONGEST) {
        kept.push(Buffer.from(chunk.subarray(start, read)));
        keptBytes += read - start;
      }
      position += read;
    }
  });
}

/** The line that starts at this byte, without its newline. Throws ApprovalError ERR_AUDIT. */
export function lineAt(path: string, at: number): string {
  return withFile(path, (file) => {
    const buffer = Buffer.alloc(64 * 1024);
    const read = readSync(file, buffer, 0, buffer.length, at);
    const end = indexIn(buffer, 0, read);
    return buffer.toString("utf8", 0, end < 0 ? read : end);
  });
}

/** Oldest first, by the time of the first line: rotated files have names in any order. Throws ApprovalError ERR_AUDIT. */
export function inOrder(paths: readonly string[]): readonly string[] {
  const timed = paths.map((path) => {
    const [, timestamp] = /"timestamp":"([^"]*)"/.exec(lineAt(path, 0)) ?? [];
    // A file without a first record is the one that was begun last.
    return { path, time: parseTime(timestamp) ?? Infinity };
  });
  return timed.toSorted((a, b) => (a.time === b.time ? 0 : a.time - b.time)).map(({ path }) => path);
}

function indexIn(chunk: Buffer, from: number, length: number): number {
  const at = chunk.indexOf(NEWLINE, from);
  return at >= length ? -1 : at;
}

function withFile<T>(path: string, work: (file: number) => T): T {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    if (!fstatSync(file).isFile()) throw new Error("it is not a regular file");
    return work(file);
  } catch (error) {
    if (error instanceof ApprovalError) throw error;
    throw new ApprovalError(
      "ERR_AUDIT",
      `The audit log ${path} cannot be read: ${messageOf(error)}; name a file that can, or set AUDIT_LOG_PATH`,
      {
        cause: error,
      },
    );
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
