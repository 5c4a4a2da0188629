/** Reads a whole log and says whether it is what its writers wrote (docs/audit.md, "Verify"). */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { visibleJson } from "../domain/text.ts";
import { ChainCheck, type ChainFields, type Spot } from "./chain-check.ts";
import { CheckpointCheck, type ReadFileFacts } from "./checkpoint-check.ts";
import { checkpointFolder } from "./checkpoints.ts";
import { inOrder, lineAt, readLines } from "./log-files.ts";
import { formsOf, isHash, sha256 } from "./record-hash.ts";
import { Findings, type AuditReport, type Place } from "./report.ts";
import { TraceLedger, type Fields } from "./trace-ledger.ts";

export interface VerifyOptions {
  /** The log with its rotated files, in any order. */
  readonly files: readonly string[];
  /** Files with checkpoints that were kept elsewhere: what they saw must be in these files. */
  readonly keptCheckpoints?: readonly string[];
  /** The head of an earlier report that was kept elsewhere. */
  readonly head?: { readonly hash: string; readonly count: number };
  /** Default: now. */
  readonly nowMs?: number;
}

/** Rejects with ERR_AUDIT where a file cannot be read; everything else is in the report. */
export async function verifyAudit(options: VerifyOptions): Promise<AuditReport> {
  const check = new LogCheck(options);
  await check.loadCheckpoints();
  for (const path of inOrder(options.files)) check.readFile(path);
  return check.report();
}

class LogCheck {
  readonly #options: VerifyOptions;
  readonly #findings = new Findings();
  readonly #chain = new ChainCheck(this.#findings);
  readonly #checkpoints = new CheckpointCheck(this.#findings);
  readonly #ledger: TraceLedger;
  readonly #files: (ReadFileFacts & { readonly path: string; readonly lines: number; readonly start: number })[] = [];
  /** Lines that are no JSON, until a record says that they were torn. */
  readonly #torn = new Map<string, Place>();
  #records = 0;
  #unchained = 0;
  #recovered = 0;
  #isFromTheStart = false;
  #head: { readonly hash: string; readonly count: number } | undefined;
  #isHeadFound = false;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#ledger = new TraceLedger({
      findings: this.#findings,
      recall: (position) => this.#recall(position),
      nowMs: options.nowMs ?? Date.now(),
    });
  }

  async loadCheckpoints(): Promise<void> {
    const { files, keptCheckpoints = [] } = this.#options;
    const folders = files.map(checkpointFolder).filter((folder) => existsSync(folder));
    for (const folder of folders) await this.#checkpoints.addFolder(folder);
    if (folders.length === 0) this.#findings.notes.push("no checkpoints: lines cut from the end cannot be noticed");
    for (const path of keptCheckpoints) await this.#checkpoints.addKept(path);
  }

  readFile(path: string): void {
    const file = basename(path);
    const last = this.#files.at(-1);
    const start = last === undefined ? 0 : last.start + last.bytes;
    const facts = { path, file, bytes: 0, lines: 0, start };
    this.#files.push(facts);
    const fileIndex = this.#files.length - 1;
    this.#chain.startFile();
    let firstHash: string | undefined;
    const { wholeBytes, tornBytes, lines } = readLines(path, (line, byte, number) => {
      firstHash ??= sha256(line);
      this.#takeLine(line, { file, line: number, byte, fileIndex, ordinal: this.#records + 1 }, start);
    });
    if (tornBytes > 0) {
      this.#findings.notes.push(`${file} ends with ${tornBytes} bytes of a line that was not finished`);
    }
    this.#files[fileIndex] = {
      ...facts,
      bytes: wholeBytes + tornBytes,
      lines,
      ...(firstHash === undefined ? {} : { firstHash }),
    };
  }

  report(): AuditReport {
    const findings = this.#findings;
    for (const [, place] of this.#torn) findings.damaged("not_a_record", "it is no JSON", place);
    this.#ledger.finish();
    this.#checkpoints.finish(this.#files);
    const { head } = this.#options;
    if (head !== undefined && !this.#isHeadFound) {
      findings.damaged(
        "head",
        `record ${head.count} with hash ${head.hash} is not there: the log was cut, rolled back or replaced`,
      );
    }
    if (this.#unchained > 0) {
      findings.notes.push(`lines before the first chained record, which nothing protects: ${this.#unchained}`);
    }
    if (this.#recovered > 0)
      findings.notes.push(`torn lines that were set aside (audit.recovered): ${this.#recovered}`);
    if (this.#ledger.unverifiedGrants > 0) {
      findings.notes.push(
        `grants that rest on an authenticated socket alone (verified: false): ${this.#ledger.unverifiedGrants}`,
      );
    }
    return {
      status: findings.isDamaged ? "damaged" : findings.incomplete.length > 0 ? "incomplete" : "clean",
      files: this.#files.map(({ file, bytes, lines }) => ({ file, bytes, lines })),
      records: this.#records,
      writers: this.#chain.writers,
      unchained: this.#unchained,
      repeated: this.#ledger.repeated,
      traces: this.#ledger.traces,
      open: this.#ledger.open,
      unverified_grants: this.#ledger.unverifiedGrants,
      checkpoints: this.#checkpoints.count,
      damage: findings.damage,
      incomplete: findings.incomplete,
      notes: findings.notes,
      omitted: findings.omitted,
      ...(this.#head === undefined ? {} : { head: this.#head }),
    };
  }

  #takeLine(line: Buffer, spot: Spot, fileStart: number): void {
    const text = line.toString("utf8");
    const fields = parse(text);
    const hash = fields?.["hash"];
    if (fields === undefined || !isHash(hash)) return this.#takeForeign(text, line, fields, spot);
    this.#records++;
    if (this.#records === 1) this.#isFromTheStart = this.#unchained === 0 && fields["rotated_from"] === undefined;
    const { written, canonical } = formsOf(fields, "hash");
    if (!isWrittenSo(line, text, written)) {
      this.#findings.damaged(
        "rewritten",
        "it is not as a writer writes it: another order, spacing, escape or a field twice",
        spot,
      );
    }
    if (sha256(canonical) !== hash) {
      this.#findings.damaged("edited", "its content is not what its hash was made of", spot);
    }
    this.#chain.take(fields as Fields & ChainFields, spot);
    this.#checkpoints.take(hash, spot.fileIndex, spot.byte + line.length + 1);
    this.#head = { hash, count: this.#records };
    if (hash === this.#options.head?.hash && this.#records === this.#options.head.count) this.#isHeadFound = true;
    if (fields["action"] === "audit.recovered") {
      this.#recovered++;
      this.#torn.delete(String(fields["torn_sha256"]));
    }
    this.#ledger.take(fields, fileStart + spot.byte, spot, this.#isFromTheStart);
  }

  #takeForeign(text: string, line: Buffer, fields: Fields | undefined, spot: Spot): void {
    // A torn line that was blanked out.
    if (text.trim() === "") return;
    const hash = sha256(line);
    this.#chain.takeForeign(hash);
    const { file, line: number, byte } = spot;
    // A log of the original tool may have been carried on; behind our first record there is nothing but ours.
    if (this.#records === 0) this.#unchained++;
    else if (fields === undefined) this.#torn.set(hash, { file, line: number, byte });
    else this.#findings.damaged("not_a_record", "it has no hash", spot);
  }

  #recall(position: number): { fields: Fields; file: string; byte: number } {
    const file = this.#files.findLast(({ start }) => start <= position);
    const byte = position - (file?.start ?? 0);
    return { fields: parse(lineAt(file?.path ?? "", byte)) ?? {}, file: file?.file ?? "", byte };
  }
}

/** Whether the line is the one form of its content: JSON that says the same in other words, or says a thing twice, is not. */
function isWrittenSo(line: Buffer, text: string, written: string): boolean {
  // Nothing can hide in plain ASCII: the dearer comparison gives the same there.
  const isPlain = line.length === text.length && !text.includes("\u007f");
  if (isPlain) return written === text;
  return visibleJson(written) === text && Buffer.from(text).equals(line);
}

function parse(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}
