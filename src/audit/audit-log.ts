/**
 * The writer of the audit log: one file, JSON Lines, appended to by any number of processes (docs/audit.md).
 * A record counts as written when it is on disk, and not before.
 */
import { constants } from "node:fs";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { AuditRecord } from "../domain/audit-record.ts";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import { auditLine, eventIdOf } from "./audit-line.ts";
import { createTailIndex } from "./tail-index.ts";

export interface AuditLogOptions {
  /** The file. A missing one is made with mode 0600, missing folders with 0700. */
  readonly path: string;
  /** Whether a failure to write may be passed over. The log itself only carries this. */
  readonly required: boolean;
  /** Exact values that never reach the file. */
  readonly secrets: readonly string[];
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
}

interface Waiting {
  readonly eventId: string;
  readonly line: Buffer;
  readonly outcome: string;
  resolve(written: { readonly recorded: true; readonly outcome: string }): void;
  reject(error: unknown): void;
}

/** Records that came in meanwhile are flushed together; so many at once. */
const BATCH = 64;

/** A write by another process is seen half done for microseconds; a tail that stays so for this long is torn. */
const TORN_LOOKS = 3;
const TORN_PAUSE_MS = 10;

export function openAuditLog({ path, required, secrets }: AuditLogOptions): AuditLog {
  const index = createTailIndex();
  const queue: Waiting[] = [];
  let draining = false;

  /** Brings the index up to date; false where the file ends with a torn line and not with one that is just being written. */
  async function settledTail(file: FileHandle): Promise<boolean> {
    let tail = await index.refresh(file);
    for (let look = 0; look < TORN_LOOKS && !tail.wholeLine; look++) {
      const { lastLine } = tail;
      await pause(TORN_PAUSE_MS);
      tail = await index.refresh(file);
      // Another line is being written now: what was seen before was whole in the end.
      if (tail.lastLine !== lastLine) look = -1;
    }
    return tail.wholeLine;
  }

  async function write(file: FileHandle, { eventId, line, outcome }: Waiting): Promise<string> {
    const wholeLine = await settledTail(file);
    const standing = index.outcomeOf(eventId);
    if (standing !== undefined) return standing;
    // After a torn tail the record starts a line of its own; the fragment stays, for people to see.
    const bytes = wholeLine ? line : Buffer.concat([Buffer.from("\n"), line]);
    const { bytesWritten } = await file.write(bytes);
    if (bytesWritten !== bytes.length) {
      throw Object.assign(new Error(`only ${bytesWritten} of ${bytes.length} bytes were written`), { code: "ENOSPC" });
    }
    await index.refresh(file);
    // Another process may have written the same event in the meantime: the first one in the file stands.
    return index.outcomeOf(eventId) ?? outcome;
  }

  async function flush(batch: readonly Waiting[]): Promise<void> {
    // Opened for each batch: a file that was rotated away is followed by not holding on to it.
    const file = await openFile(path);
    try {
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
    } finally {
      await file.close();
    }
  }

  async function drain(): Promise<void> {
    draining = true;
    while (queue.length > 0) {
      const batch = queue.splice(0, BATCH);
      try {
        await flush(batch);
      } catch (error) {
        // Those that are settled already do not hear it.
        for (const waiting of batch) waiting.reject(auditError(path, error));
      }
    }
    draining = false;
  }

  return {
    path,
    required,
    append(record) {
      return new Promise((resolve, reject) => {
        const line = Buffer.from(auditLine(record, secrets));
        queue.push({ eventId: eventIdOf(record.event_key), line, outcome: record.outcome, resolve, reject });
        if (!draining) void drain();
      });
    },
    async check() {
      try {
        await (await openFile(path)).close();
      } catch (error) {
        throw auditError(path, error);
      }
    },
  };
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
