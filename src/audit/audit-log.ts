/**
 * The writer of the audit log: one file, JSON Lines, appended to by any number of processes (docs/audit.md).
 * A record counts as written when it is on disk, and not before.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { AuditRecord } from "../domain/audit-record.ts";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import { bodyOf, MAX_FILE_PREV, MAX_ROTATED_FROM, sealed, type Body, type Link } from "./audit-line.ts";
import { createCheckpoints, newestHeads } from "./checkpoints.ts";
import { NO_HASH, sha256 } from "./record-hash.ts";
import { createTailIndex, readFrom, type Head, type Tail } from "./tail-index.ts";
import { isWholeRecord, setAside } from "./torn-tail.ts";

export interface AuditLogOptions {
  /** The file. A missing one is made with mode 0600, missing folders with 0700. */
  readonly path: string;
  /** Whether a failure to write may be passed over. The log itself only carries this. */
  readonly required: boolean;
  /** Exact values that never reach the file. */
  readonly secrets: readonly string[];
  /** Called when checkpoints cannot be written, and with `undefined` when they can again. */
  readonly onCheckpointProblem?: (problem: string | undefined) => void;
  /** A checkpoint at the latest after so many records. Default 1,000. */
  readonly checkpointRecords?: number;
  /** A checkpoint at the latest after so many milliseconds in which something was written. Default 60,000. */
  readonly checkpointMs?: number;
}

export interface AuditLog {
  readonly path: string;
  readonly required: boolean;
  /**
   * Resolves when the record is on disk. A record whose event id stands in the file's last 1 MiB is not written again; `outcome` is that of
   * the record which stands. Rejects with ERR_AUDIT. Appends are written in the order of the calls.
   */
  append(record: AuditRecord): Promise<{ readonly recorded: true; readonly outcome: string }>;
  /** Opens the file as an append would, and makes it where it is missing. Rejects with ERR_AUDIT. */
  check(): Promise<void>;
  /** Repairs a tail that was torn by a crash, as the next append would. Rejects with ERR_AUDIT. */
  repair(): Promise<void>;
  /** Waits for what is being written, and writes the last checkpoint. Never rejects; the log can still be used. */
  close(): Promise<void>;
}

interface Waiting {
  readonly body: Body;
  readonly outcome: string;
  resolve(written: { readonly recorded: true; readonly outcome: string }): void;
  reject(error: unknown): void;
}

/** Records that came in meanwhile are flushed together; so many at once. */
const BATCH = 64;

/** A write by another process is seen half done for microseconds; a tail that stays so for this long is torn. */
const TORN_LOOKS = 3;
const TORN_PAUSE_MS = 10;
const LONGEST_FIRST_LINE = 64 * 1024;

export function openAuditLog(options: AuditLogOptions): AuditLog {
  const { path, required, secrets } = options;
  // One name per run: the counting of a process that is gone is never taken up again.
  const writerId = randomBytes(8).toString("hex");
  const index = createTailIndex(writerId);
  const checkpoints = createCheckpoints({
    path,
    writerId,
    ...(options.checkpointRecords === undefined ? {} : { everyRecords: options.checkpointRecords }),
    ...(options.checkpointMs === undefined ? {} : { everyMs: options.checkpointMs }),
    ...(options.onCheckpointProblem === undefined ? {} : { onProblem: options.onCheckpointProblem }),
  });
  const queue: Waiting[] = [];
  let draining: Promise<void> | undefined;
  let first = { file: 0, hash: "" };

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
    if (wholeLine) return;
    if (isWholeRecord(fragment)) {
      await writeWhole(file, "\n");
      await index.refresh(file);
    } else await place(file, await setAside(path, file, fragment, lastLine), "\n");
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
    // What another process tore in the same instant may have swallowed it.
    if (index.own()?.hash !== hash) throw new Error("it was written to, but the record does not stand in it");
  }

  async function write(file: FileHandle, { body, outcome }: Waiting): Promise<string> {
    await mendTail(file);
    const standing = index.outcomeOf(body.event_id);
    if (standing !== undefined) return standing;
    await place(file, body);
    // Another process may have written the same event in the meantime: the first one in the file stands.
    return index.outcomeOf(body.event_id) ?? outcome;
  }

  async function withFile(work: (file: FileHandle) => Promise<void>): Promise<void> {
    // Opened for each batch: a file that was rotated away is followed by not holding on to it.
    const file = await openFile(path);
    try {
      await work(file);
    } finally {
      await file.close();
    }
  }

  async function flush(file: FileHandle, batch: readonly Waiting[]): Promise<void> {
    const written: [Waiting, string][] = [];
    for (const waiting of batch) {
      try {
        written.push([waiting, await write(file, waiting)]);
      } catch (error) {
        waiting.reject(auditError(path, error));
      }
    }
    await file.sync();
    for (const [waiting, outcome] of written) waiting.resolve({ recorded: true, outcome });
    if (first.file !== index.file()) first = { file: index.file(), hash: await firstLineHash(file) };
    const own = index.own();
    if (own === undefined || own.file !== index.file()) return;
    await checkpoints.reached({
      file_first: first.hash,
      size: index.end(),
      heads: index.heads().map(({ hash }) => hash),
      records: own.seq,
    });
  }

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0, BATCH);
      try {
        await withFile((file) => flush(file, batch));
      } catch (error) {
        // Those that are settled already do not hear it.
        for (const waiting of batch) waiting.reject(auditError(path, error));
      }
    }
    draining = undefined;
  }

  async function attempt(work: (file: FileHandle) => Promise<void>): Promise<void> {
    try {
      await withFile(work);
    } catch (error) {
      throw auditError(path, error);
    }
  }

  return {
    path,
    required,
    append(record) {
      return new Promise((resolve, reject) => {
        queue.push({ body: bodyOf(record, secrets), outcome: record.outcome, resolve, reject });
        draining ??= drain();
      });
    },
    check: () => attempt(async () => undefined),
    repair: () =>
      attempt(async (file) => {
        await mendTail(file);
        await file.sync();
      }),
    async close() {
      await draining;
      await checkpoints.close();
    },
  };
}

async function writeWhole(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  const { bytesWritten } = await file.write(bytes);
  if (bytesWritten !== bytes.length) {
    throw Object.assign(new Error(`only ${bytesWritten} of ${bytes.length} bytes were written`), { code: "ENOSPC" });
  }
}

async function firstLineHash(file: FileHandle): Promise<string> {
  const start = await readFrom(file, 0, LONGEST_FIRST_LINE);
  const end = start.indexOf(0x0a);
  return sha256(end < 0 ? start : start.subarray(0, end));
}

// No link is followed: it would let the log be written elsewhere. Non-blocking: a named pipe must not hold us.
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function openFile(path: string): Promise<FileHandle> {
  const file = await open(path, FLAGS, 0o600).catch(async (error: unknown) => {
    if (codeOf(error) !== "ENOENT") throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return open(path, FLAGS, 0o600);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw Object.assign(new Error("it is not a regular file"), { code: "EISDIR" });
    // The entry in the folder has to be on disk too, or the file is gone after a power cut.
    if (stat.size === 0) await syncFolder(dirname(path));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["ENOSPC", "make room on that disk; it goes on by itself"],
  ["EDQUOT", "raise the quota or make room; it goes on by itself"],
  ["EFBIG", "rotate the file, or raise the limit of file sizes"],
  ["ELOOP", "it is a symbolic link, which is not followed: name the file itself in AUDIT_LOG_PATH"],
  ["EISDIR", "AUDIT_LOG_PATH must name a regular file"],
  ["ENOTDIR", "AUDIT_LOG_PATH must name a file in a folder"],
  ["ENXIO", "AUDIT_LOG_PATH must name a regular file"],
]);

function auditError(path: string, error: unknown): ApprovalError {
  const remedy =
    REMEDIES.get(codeOf(error) ?? "") ?? "make it writable for this user, or set AUDIT_LOG_PATH to a file that is";
  return new ApprovalError("ERR_AUDIT", `The audit log ${path} cannot be written: ${messageOf(error)}; ${remedy}`, {
    cause: error,
  });
}

function codeOf(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}
