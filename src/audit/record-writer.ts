/** Puts one record behind the others: mends what is torn, links it into the chain, and looks whether it stands. */
import type { FileHandle } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { MAX_FILE_PREV, MAX_ROTATED_FROM, sealed, type Body, type Link } from "./audit-line.ts";
import { newestHeads } from "./checkpoints.ts";
import { writeWhole } from "./log-handle.ts";
import { NO_HASH } from "./record-hash.ts";
import type { Head, Tail, TailIndex } from "./tail-index.ts";
import { isWholeRecord, setAside } from "./torn-tail.ts";

/** A write by another process is seen half done for microseconds; a tail that stays so for this long is torn. */
const TORN_LOOKS = 3;
const TORN_PAUSE_MS = 10;

export interface RecordWriter {
  /** Mends the end of the file where a crash tore it. */
  mendTail(file: FileHandle): Promise<void>;
  /** Writes the record where its event does not stand yet; answers the outcome that stands. Nothing is flushed. */
  write(file: FileHandle, body: Body, outcome: string): Promise<string>;
}

/** A line that another process tore in the same instant became one with ours. */
class Swallowed extends Error {}

export function createRecordWriter(path: string, writerId: string, index: TailIndex): RecordWriter {
  /** Brings the index up to date; what ends it is torn where it is not a whole line, and not one that is just being written. */
  async function settledTail(file: FileHandle): Promise<Tail> {
    let tail = await index.refresh(file);
    for (let look = 0; look < TORN_LOOKS && !tail.wholeLine; look++) {
      const { lastLine } = tail;
      await pause(TORN_PAUSE_MS);
      tail = await index.refresh(file);
      // Another line is being written now: what was seen before was whole in the end.
      if (tail.lastLine !== lastLine) look = -1;
    }
    return tail;
  }

  async function mendTail(file: FileHandle): Promise<void> {
    const { wholeLine, fragment, lastLine } = await settledTail(file);
    if (!wholeLine && isWholeRecord(fragment)) {
      await writeWhole(file, "\n");
      await index.refresh(file);
    } else if (!wholeLine) {
      await place(file, await setAside(path, file, fragment, lastLine), "\n");
    }
    for (const { at, bytes } of index.takeBroken()) {
      const body = await setAside(path, file, bytes, at);
      // Whoever came first has told of it.
      if (index.outcomeOf(body.event_id) === undefined) await place(file, body);
    }
  }

  /** Of the file before this one: what this writer saw itself, else what the newest checkpoint saw. */
  async function headsBefore(others: readonly Head[]): Promise<readonly string[]> {
    const seen = others.filter(({ file }) => file !== index.file()).map(({ hash }) => hash);
    const isFresh = index.own() === undefined && seen.length === 0 && index.end() === 0;
    return isFresh ? await newestHeads(path) : seen;
  }

  async function nextLink(): Promise<Link> {
    const own = index.own();
    const isFirst = own?.file !== index.file();
    const others = index.heads().filter((head) => head.hash !== own?.hash);
    const named = others
      .filter(({ file }) => file === index.file())
      .map(({ hash }) => hash)
      .slice(0, MAX_FILE_PREV);
    const before = isFirst ? (await headsBefore(others)).slice(0, MAX_ROTATED_FROM) : [];
    const isRotated = isFirst && (own !== undefined || before.length > 0);
    return {
      writer_id: writerId,
      seq: (own?.seq ?? 0) + 1,
      ...(isFirst || named.length > 0 ? { file_prev: named } : {}),
      ...(isRotated ? { rotated_from: before } : {}),
      ...(isFirst ? { file_size: index.end() } : { prev_at: own.at }),
      prev_hash: own?.hash ?? NO_HASH,
    };
  }

  /** Writes the record behind what the index knows, and looks whether it stands. */
  async function place(file: FileHandle, body: Body, before = ""): Promise<void> {
    const { line, hash } = sealed(body, await nextLink());
    await writeWhole(file, before + line);
    await index.refresh(file);
    if (index.own()?.hash !== hash) throw new Swallowed("it was written to, but the record does not stand in it");
  }

  async function write(file: FileHandle, body: Body, outcome: string): Promise<string> {
    for (let isLast = false; ; isLast = true) {
      try {
        await mendTail(file);
        const standing = index.outcomeOf(body.event_id);
        if (standing !== undefined) return standing;
        await place(file, body);
        // Another process may have written the same event in the meantime: the first one in the file stands.
        return index.outcomeOf(body.event_id) ?? outcome;
      } catch (error) {
        if (isLast || !(error instanceof Swallowed)) throw error;
      }
    }
  }

  return { mendTail, write };
}
