/** Holds a log against its checkpoints: what they saw must still be there. */
import type { KeyObject } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import { DAY_FILE } from "./checkpoints.ts";
import { isSignedBy, parseCheckpoint, type Checkpoint } from "./checkpoint.ts";
import { publicKey } from "./signing-key.ts";
import type { Findings } from "./report.ts";

export interface ReadFileFacts {
  readonly file: string;
  /** SHA-256 of the first line; absent for an empty file. */
  readonly firstHash?: string;
  readonly bytes: number;
}

interface Kept {
  readonly checkpoint: Omit<Checkpoint, "signature">;
  /** Must be of the files at hand: somebody kept it to prove just that. */
  readonly isStrict: boolean;
}

export class CheckpointCheck {
  readonly #findings: Findings;
  readonly #kept: Kept[] = [];
  /** Every hash that a checkpoint names, and where the line ends: its file and byte. */
  readonly #wanted = new Map<string, { readonly fileIndex: number; readonly end: number } | undefined>();
  #key: KeyObject | undefined;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  get count(): number {
    return this.#kept.length;
  }

  /** The folder that the writers fill; one that is not there is a note. Rejects with ERR_AUDIT where it cannot be read. */
  async addFolder(folder: string): Promise<void> {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw unreadable(folder, error);
    });
    const days = names.filter((name) => DAY_FILE.test(name)).toSorted();
    if (days.length === 0) {
      this.#findings.notes.push(`no checkpoints in ${folder}: lines cut from the end cannot be noticed`);
      return;
    }
    try {
      this.#key = await publicKey(folder);
    } catch (error) {
      this.#findings.damaged("signature", `the key of the checkpoints cannot be read: ${messageOf(error)}`);
    }
    const numbers = new Map<string, number>();
    for (const day of days) await this.#addFile(join(folder, day), false, numbers);
  }

  /** Checkpoints that were kept elsewhere. Rejects with ERR_AUDIT where the file cannot be read or holds none. */
  async addKept(path: string): Promise<void> {
    const before = this.count;
    await this.#addFile(path, true, new Map());
    if (this.count === before)
      throw new ApprovalError(
        "ERR_AUDIT",
        `${path} holds no checkpoint; name a copy of a line or of a file of the checkpoint folder`,
      );
  }

  async #addFile(path: string, isStrict: boolean, numbers: Map<string, number>): Promise<void> {
    const text = await readFile(path, "utf8").catch((error: unknown) => {
      throw unreadable(path, error);
    });
    for (const [at, line] of text.split("\n").entries()) {
      if (line === "") continue;
      const where = `${basename(path)}:${at + 1}`;
      const checkpoint = parseCheckpoint(line);
      if (checkpoint === undefined) {
        this.#findings.notes.push(`${where} is no checkpoint, maybe torn by a crash`);
        continue;
      }
      if (this.#key !== undefined && !isSignedBy(checkpoint, this.#key)) {
        this.#findings.damaged("signature", `the checkpoint ${where} is not signed with the log's key`);
      }
      const { writer_id, number } = checkpoint;
      const last = numbers.get(writer_id);
      if (last !== undefined && number !== last + 1) {
        this.#findings.damaged(
          "checkpoint",
          `the checkpoint before ${where} is missing: number ${last + 1} of writer ${writer_id}`,
        );
      }
      numbers.set(writer_id, number);
      for (const head of checkpoint.heads) this.#wanted.set(head, undefined);
      const { signature: _, ...facts } = checkpoint;
      this.#kept.push({ checkpoint: facts, isStrict });
    }
  }

  /** A record that stands in the log; `end` is the byte behind its newline. */
  take(hash: string, fileIndex: number, end: number): void {
    if (this.#wanted.has(hash)) this.#wanted.set(hash, { fileIndex, end });
  }

  finish(files: readonly ReadFileFacts[]): void {
    const byTime = this.#kept.toSorted((a, b) => a.checkpoint.time.localeCompare(b.checkpoint.time));
    let elsewhere = 0;
    let told = 0;
    for (const [at, { checkpoint, isStrict }] of byTime.entries()) {
      const fileIndex = files.findIndex(({ firstHash }) => firstHash === checkpoint.file_first);
      const file = files[fileIndex];
      // An older file that is not at hand is no fault. The newest checkpoint is about the file that is written to now.
      if (file === undefined && !isStrict && at < byTime.length - 1) {
        elsewhere++;
        continue;
      }
      const problem =
        file === undefined
          ? `the file that it saw is not among those given; if it was rotated, give it too`
          : this.#lacking(checkpoint, fileIndex, file.bytes);
      // One roll-back contradicts every checkpoint behind it.
      if (problem === undefined || told++ > 2) continue;
      this.#findings.damaged(
        "checkpoint",
        `it was cut, rolled back or replaced: of the checkpoint of ${checkpoint.time} (${checkpoint.file}, ${checkpoint.size} bytes), ${problem}`,
      );
    }
    if (elsewhere > 0) this.#findings.notes.push(`checkpoints about rotated files that were not given: ${elsewhere}`);
  }

  #lacking(checkpoint: Omit<Checkpoint, "signature">, fileIndex: number, bytes: number): string | undefined {
    if (bytes < checkpoint.size) return `${checkpoint.size - bytes} bytes are missing`;
    for (const head of checkpoint.heads) {
      const found = this.#wanted.get(head);
      if (found === undefined) return `the record with hash ${head} is missing`;
      if (found.fileIndex === fileIndex && found.end > checkpoint.size)
        return `the record with hash ${head} stands at another place`;
    }
    return undefined;
  }
}

function unreadable(path: string, error: unknown): ApprovalError {
  return new ApprovalError(
    "ERR_AUDIT",
    `The checkpoints in ${path} cannot be read: ${messageOf(error)}; make them readable for this user`,
    { cause: error },
  );
}
