/**
 * What stands in the last 1 MiB of the audit log: event ids and their outcomes. Reads only what the file has gained since,
 * by whichever process, and starts anew when the file was rotated or truncated from outside.
 */
import type { FileHandle } from "node:fs/promises";

/** How far back a repeated event is noticed. Readers collapse repeats that are further apart. */
export const TAIL_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;

export interface Tail {
  /** True where the file ends with a whole line, or is empty. */
  readonly wholeLine: boolean;
  /** Where the line starts that is not whole; else where the next one will. */
  readonly lastLine: number;
}

export interface TailIndex {
  /** Brings the index up to the file's end. */
  refresh(file: FileHandle): Promise<Tail>;
  /** The outcome of the first record in the tail with this event id. */
  outcomeOf(eventId: string): string | undefined;
}

export function createTailIndex(): TailIndex {
  let identity = "";
  /** Up to here the file is read: the start of a line. */
  let end = 0;
  /** In the order of the file. */
  const entries = new Map<string, { readonly outcome: string; readonly at: number }>();

  async function isContinued(file: FileHandle, stat: { dev: number; ino: number }): Promise<boolean> {
    if (identity !== `${stat.dev}:${stat.ino}`) return false;
    if (end === 0) return true;
    // A file truncated since is too short for this; one filled again has, most likely, no line ending just here.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, end - 1);
    return bytesRead === 1 && buffer[0] === NEWLINE;
  }

  function take(line: Buffer, at: number): void {
    const { event_id, outcome } = parse(line);
    if (typeof event_id === "string" && typeof outcome === "string" && !entries.has(event_id)) {
      entries.set(event_id, { outcome, at });
    }
  }

  return {
    async refresh(file) {
      const stat = await file.stat();
      if (!(await isContinued(file, stat))) {
        identity = `${stat.dev}:${stat.ino}`;
        end = 0;
        entries.clear();
      }
      const floor = stat.size - TAIL_BYTES;
      // One byte early: a line that starts exactly at the floor shows by the newline before it.
      const jumped = floor > end;
      if (jumped) end = floor - 1;
      const gained = await readFrom(file, end, stat.size - end);
      let start = jumped ? lineAfter(gained, 0) : 0;
      for (let next = lineAfter(gained, start); next > start; next = lineAfter(gained, start)) {
        take(gained.subarray(start, next), end + start);
        start = next;
      }
      end += start;
      for (const [id, { at }] of entries) {
        if (at >= floor) break;
        entries.delete(id);
      }
      return { wholeLine: start === gained.length, lastLine: end };
    },
    outcomeOf: (eventId) => entries.get(eventId)?.outcome,
  };
}

/** Where the next line starts, or `from` where no line ends after it. */
function lineAfter(buffer: Buffer, from: number): number {
  const newline = buffer.indexOf(NEWLINE, from);
  return newline < 0 ? from : newline + 1;
}

async function readFrom(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** A torn or foreign line has no id, and is left where it is. */
function parse(line: Buffer): { readonly event_id?: unknown; readonly outcome?: unknown } {
  try {
    const value: unknown = JSON.parse(line.toString("utf8"));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
