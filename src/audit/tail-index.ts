/**
 * What a writer knows of the file it appends to: event ids and outcomes of the last 1 MiB, the lines that no record names yet, and its own last
 * record. Reads only what the file has gained since, by whichever process, and starts anew when the file was rotated or truncated from outside.
 */
import type { FileHandle } from "node:fs/promises";
import { isHash, sha256 } from "./record-hash.ts";

/** How far back a repeated event is noticed. Readers collapse repeats that are further apart. */
export const TAIL_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;

export interface Tail {
  /** True where the file ends with a whole line, or is empty. */
  readonly wholeLine: boolean;
  /** Where the line starts that is not whole; else where the next one will. */
  readonly lastLine: number;
  /** What stands there without its newline. */
  readonly fragment: Buffer;
}

/** A line of the writer that asks. */
export interface OwnLine {
  readonly seq: number;
  readonly hash: string;
  readonly at: number;
  /** Counts the files: one that is followed after a rotation is another one. */
  readonly file: number;
}

export interface Head {
  readonly hash: string;
  /** As in `OwnLine`. */
  readonly file: number;
}

/** A whole line behind our records that is no JSON: torn by one process, and ended by another that came in between. */
export interface BrokenLine {
  readonly at: number;
  /** Without its newline. */
  readonly bytes: Buffer;
}

export interface TailIndex {
  /** Brings the index up to the file's end. */
  refresh(file: FileHandle): Promise<Tail>;
  /** The outcome of the first record in the tail with this event id. */
  outcomeOf(eventId: string): string | undefined;
  /** Where that record starts, in bytes. */
  placeOf(eventId: string): number | undefined;
  /** The lines that no later line names, oldest first; those of an earlier file as long as nothing here names them. */
  heads(): readonly Head[];
  /** Hands over the broken lines seen since the last call. */
  takeBroken(): readonly BrokenLine[];
  /** The newest line of this writer, in whichever file. */
  own(): OwnLine | undefined;
  /** As in `OwnLine`. */
  file(): number;
  /** Up to here the file is read. */
  end(): number;
}

interface Line {
  readonly event_id?: unknown;
  readonly outcome?: unknown;
  readonly writer_id?: unknown;
  readonly seq?: unknown;
  readonly file_prev?: unknown;
  readonly rotated_from?: unknown;
  readonly prev_hash?: unknown;
  readonly hash?: unknown;
}

export function createTailIndex(writerId: string): TailIndex {
  let identity = "";
  let files = 0;
  /** Up to here the file is read: the start of a line. */
  let end = 0;
  /** In the order of the file. */
  const entries = new Map<string, { readonly outcome: string; readonly at: number }>();
  const heads = new Map<string, Head & { readonly isForeign: boolean }>();
  let own: OwnLine | undefined;
  let broken: BrokenLine[] = [];
  /** Whether one of our records stands before, in this file. */
  let isOurs = false;

  async function isContinued(file: FileHandle, stat: { dev: number; ino: number }): Promise<boolean> {
    if (identity !== `${stat.dev}:${stat.ino}`) return false;
    if (end === 0) return true;
    // A file truncated since is too short for this; one filled again has, most likely, no line ending just here.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, end - 1);
    return bytesRead === 1 && buffer[0] === NEWLINE;
  }

  /** Lines by others than us name nothing: the last of them stands for all. */
  function takeForeign(text: string): void {
    for (const head of heads.values()) if (head.isForeign) heads.delete(head.hash);
    const hash = sha256(text);
    heads.set(hash, { hash, file: files, isForeign: true });
  }

  function take(bytes: Buffer, at: number): void {
    const text = bytes.toString("utf8", 0, bytes.length - 1);
    // A torn tail that was blanked out.
    if (text.trim() === "") return;
    const line = parse(text);
    if (line === undefined) {
      // What stands before our records is not ours to mend.
      if (isOurs) broken.push({ at, bytes: Buffer.from(bytes.subarray(0, -1)) });
      else takeForeign(text);
      return;
    }
    const { event_id, outcome, hash, seq } = line;
    if (typeof event_id === "string" && typeof outcome === "string" && !entries.has(event_id)) {
      entries.set(event_id, { outcome, at });
    }
    if (!isHash(hash)) {
      takeForeign(text);
      return;
    }
    isOurs = true;
    for (const named of [line.prev_hash, ...listOf(line.file_prev), ...listOf(line.rotated_from)]) {
      if (isHash(named)) heads.delete(named);
    }
    heads.set(hash, { hash, file: files, isForeign: false });
    if (line.writer_id === writerId && typeof seq === "number") own = { seq, hash, at, file: files };
  }

  return {
    async refresh(file) {
      const stat = await file.stat();
      if (!(await isContinued(file, stat))) {
        identity = `${stat.dev}:${stat.ino}`;
        end = 0;
        files++;
        entries.clear();
        broken = [];
        isOurs = false;
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
      return { wholeLine: start === gained.length, lastLine: end, fragment: gained.subarray(start) };
    },
    outcomeOf: (eventId) => entries.get(eventId)?.outcome,
    placeOf: (eventId) => entries.get(eventId)?.at,
    heads: () => [...heads.values()],
    takeBroken() {
      const taken = broken;
      broken = [];
      return taken;
    },
    own: () => own,
    file: () => files,
    end: () => end,
  };
}

/** Where the next line starts, or `from` where no line ends after it. */
function lineAfter(buffer: Buffer, from: number): number {
  const newline = buffer.indexOf(NEWLINE, from);
  return newline < 0 ? from : newline + 1;
}

export async function readFrom(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** What is JSON and no object has no fields; `undefined` for what is no JSON. */
function parse(text: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return undefined;
  }
}
