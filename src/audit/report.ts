/** What `audit verify` finds, in words and as JSON. */

export type DamageKind =
  | "not_a_record"
  | "rewritten"
  | "edited"
  | "gap"
  | "break"
  | "moved"
  | "unnamed"
  | "same_event"
  | "two_finals"
  | "unverified_grant"
  | "late_grant"
  | "checkpoint"
  | "signature"
  | "head";

export type IncompleteKind = "no_final" | "no_request";

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Of the line's first byte, from 0. */
  readonly byte: number;
}

export interface Finding<K extends string = string> {
  readonly kind: K;
  /** Absent where it is not about a line. */
  readonly place?: Place;
  readonly text: string;
}

export interface AuditReport {
  readonly status: "clean" | "damaged" | "incomplete";
  readonly files: readonly { readonly file: string; readonly bytes: number; readonly lines: number }[];
  readonly records: number;
  readonly writers: number;
  /** Lines of an older kind before the first chained one, which nothing protects. */
  readonly unchained: number;
  /** Records that stand more than once, with equal content. */
  readonly repeated: number;
  readonly traces: number;
  /** Of these: those whose time is not over yet. */
  readonly open: number;
  /** Grants for which only an authenticated socket vouched. */
  readonly unverified_grants: number;
  readonly checkpoints: number;
  readonly damage: readonly Finding<DamageKind>[];
  readonly incomplete: readonly Finding<IncompleteKind>[];
  /** What should be known and is no fault. */
  readonly notes: readonly string[];
  /** Findings beyond the first 1,000, which are counted only. */
  readonly omitted: number;
  /** The newest record: kept elsewhere, it proves later that nothing before it was taken away. Absent without records. */
  readonly head?: { readonly hash: string; readonly count: number };
}

const MOST = 1_000;

export class Findings {
  readonly damage: Finding<DamageKind>[] = [];
  readonly incomplete: Finding<IncompleteKind>[] = [];
  readonly notes: string[] = [];
  omitted = 0;
  isDamaged = false;

  damaged(kind: DamageKind, text: string, place?: Place): void {
    this.isDamaged = true;
    this.#add(this.damage, kind, text, place);
  }

  lacks(kind: IncompleteKind, text: string, place?: Place): void {
    this.#add(this.incomplete, kind, text, place);
  }

  #add<K extends string>(list: Finding<K>[], kind: K, text: string, place: Place | undefined): void {
    if (list.length >= MOST) {
      this.omitted++;
      return;
    }
    list.push({
      kind,
      ...(place === undefined ? {} : { place: { file: place.file, line: place.line, byte: place.byte } }),
      text,
    });
  }
}
