/**
 * The writer of the audit log: one file, JSON Lines, appended to by any number of processes (docs/audit.md).
 * A record counts as written when it is on disk, and not before.
 */
import { randomBytes } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { AuditRecord } from "../domain/audit-record.ts";
import { bodyOf, MAX_LINE, type Body } from "./audit-line.ts";
import { createCheckpoints } from "./checkpoints.ts";
import { auditError, firstLineHash, openLogFile } from "./log-handle.ts";
import { createRecordWriter } from "./record-writer.ts";
import { createTailIndex, readFrom } from "./tail-index.ts";

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
  /** The fields of the record that stands in the place of this one, `undefined` where there is none. Rejects with ERR_AUDIT. */
  standing(record: AuditRecord): Promise<Fields | undefined>;
  /** Opens the file as an append would, and makes it where it is missing. Rejects with ERR_AUDIT. */
  check(): Promise<void>;
  /** Repairs a tail that was torn by a crash, as the next append would. Rejects with ERR_AUDIT. */
  repair(): Promise<void>;
  /** Waits for what is being written, and writes the last checkpoint. Never rejects; the log can still be used. */
  close(): Promise<void>;
}

/** A line of the file as it stands there. Anybody who may write the file may have written it. */
export interface Fields {
  readonly [name: string]: unknown;
}

interface Waiting {
  readonly body: Body;
  readonly outcome: string;
  resolve(written: { readonly recorded: true; readonly outcome: string }): void;
  reject(error: unknown): void;
}

/** Records that came in meanwhile are flushed together; so many at once. */
const BATCH = 64;

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
  const writer = createRecordWriter(path, writerId, index);
  const queue: Waiting[] = [];
  let draining: Promise<void> | undefined;
  let first = { file: 0, hash: "" };

  async function withFile(work: (file: FileHandle) => Promise<void>): Promise<void> {
    // Opened for each batch: a file that was rotated away is followed by not holding on to it.
    const file = await openLogFile(path);
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
        written.push([waiting, await writer.write(file, waiting.body, waiting.outcome)]);
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
    async standing(record) {
      let fields: Fields | undefined;
      await attempt(async (file) => {
        await index.refresh(file);
        const at = index.placeOf(bodyOf(record, secrets).event_id);
        if (at === undefined) return;
        const [line = ""] = (await readFrom(file, at, MAX_LINE)).toString("utf8").split("\n");
        fields = JSON.parse(line) as Fields;
      });
      return fields;
    },
    check: () => attempt(async () => undefined),
    repair: () =>
      attempt(async (file) => {
        await writer.mendTail(file);
        await file.sync();
      }),
    async close() {
      await draining;
      await checkpoints.close();
    },
  };
}
