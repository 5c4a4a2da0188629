/** Follows the chain of every writer through the files, and the lines that name each other (docs/audit.md, "Chain"). */
import { MAX_FILE_PREV } from "./audit-line.ts";
import { IdTable } from "./id-table.ts";
import { isHash, NO_HASH } from "./record-hash.ts";
import type { Findings, Place } from "./report.ts";

/** The fields of the chain as they stand in a line; any of them may be anything. */
export interface ChainFields {
  readonly hash: string;
  readonly writer_id?: unknown;
  readonly seq?: unknown;
  readonly prev_hash?: unknown;
  readonly file_prev?: unknown;
  readonly rotated_from?: unknown;
  readonly file_size?: unknown;
  readonly prev_at?: unknown;
}

/** Where a line is, counted over all files. */
export interface Spot extends Place {
  readonly fileIndex: number;
  readonly ordinal: number;
}

interface WriterState {
  readonly seq: number;
  readonly hash: string;
  readonly spot: Spot;
}

export class ChainCheck {
  readonly #findings: Findings;
  readonly #known = new IdTable(1);
  readonly #writers = new Map<string, WriterState>();
  /** Lines that no later one names yet. */
  readonly #heads = new Map<string, Spot>();
  /** By how many bytes lines stand elsewhere than their writers said. */
  #shift = 0;
  #isShiftExplained = false;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  get writers(): number {
    return this.#writers.size;
  }

  /** What ended a file may have been unknown to those who began the next one. */
  startFile(): void {
    this.#heads.clear();
    this.#shift = 0;
    this.#isShiftExplained = false;
  }

  /** A line without a hash of its own. */
  takeForeign(hash: string): void {
    if (this.#known.find(hash) === undefined) this.#known.add(hash, 1);
  }

  take(fields: ChainFields, spot: Spot): void {
    const { hash, writer_id, seq, prev_hash, file_prev = [], rotated_from = [], file_size, prev_at } = fields;
    const isFirst = prev_at === undefined;
    const isWhole =
      typeof writer_id === "string" &&
      isCount(seq) &&
      seq > 0 &&
      isHash(prev_hash) &&
      Array.isArray(file_prev) &&
      file_prev.every(isHash) &&
      Array.isArray(rotated_from) &&
      rotated_from.every(isHash) &&
      isCount(isFirst ? file_size : prev_at);
    if (!isWhole) {
      this.#damaged("not_a_record", "it lacks what places it in the chain", spot);
      return;
    }
    const last = this.#writers.get(writer_id);
    // The files before the first one are not at hand.
    const isCarriedOver = spot.fileIndex === 0 && isFirst && fields.rotated_from !== undefined;
    if (last !== undefined || !isCarriedOver) this.#checkOrder({ seq, prev_hash, writer_id }, last, spot);
    for (const named of isCarriedOver ? file_prev : [...file_prev, ...rotated_from]) {
      if (this.#known.find(named) === undefined) {
        this.#damaged("break", `it names the line with hash ${named}, which does not stand before it`, spot);
      }
      this.#heads.delete(named);
    }
    this.#heads.delete(prev_hash);
    if (isFirst) {
      if (spot.byte < (file_size as number)) {
        this.#damaged("moved", `${String(file_size)} bytes stood before it, now ${spot.byte} do`, spot);
      }
    } else this.#checkPosition(prev_at as number, last, spot);
    if (last?.spot.fileIndex === spot.fileIndex && file_prev.length < MAX_FILE_PREV) this.#checkHeads(last.spot);
    this.#heads.set(hash, spot);
    this.#writers.set(writer_id, { seq, hash, spot });
    if (this.#known.find(hash) === undefined) this.#known.add(hash, 1);
  }

  #checkOrder(
    { seq, prev_hash, writer_id }: { seq: number; prev_hash: string; writer_id: string },
    last: WriterState | undefined,
    spot: Spot,
  ): void {
    const expected = (last?.seq ?? 0) + 1;
    if (seq > expected) {
      const missing = seq - 1 === expected ? `record ${expected} is` : `records ${expected} to ${seq - 1} are`;
      this.#damaged("gap", `${missing} missing before it, of writer ${writer_id}`, spot);
    } else if (seq < expected) {
      this.#damaged("gap", `record ${seq} of writer ${writer_id} stands behind its record ${expected - 1}`, spot);
    } else if (prev_hash !== (last?.hash ?? NO_HASH)) {
      this.#damaged("break", `the record of its writer before it has hash ${prev_hash}, which is not there`, spot);
    }
  }

  /** One cause moves all lines behind it, and is told once. */
  #checkPosition(prevAt: number, last: WriterState | undefined, spot: Spot): void {
    if (last?.spot.fileIndex !== spot.fileIndex) return;
    const shift = last.spot.byte - prevAt;
    if (shift !== this.#shift && !this.#isShiftExplained) {
      const text = `its writer's record before it stood at byte ${prevAt}, and stands at ${last.spot.byte}`;
      this.#findings.damaged("moved", text, spot);
    }
    this.#shift = shift;
    this.#isShiftExplained = false;
  }

  /** A writer names all that it saw, and it saw everything before its last record. */
  #checkHeads(seen: Spot): void {
    for (const [hash, spot] of this.#heads) {
      if (spot.ordinal >= seen.ordinal) continue;
      this.#heads.delete(hash);
      this.#damaged("unnamed", "no later line names it: it was put in, or the line that named it is gone", spot);
    }
  }

  #damaged(kind: "gap" | "break" | "moved" | "unnamed" | "not_a_record", text: string, spot: Spot): void {
    this.#isShiftExplained = true;
    this.#findings.damaged(kind, text, spot);
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
