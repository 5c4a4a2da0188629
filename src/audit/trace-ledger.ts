/** Keeps account of events and requests: each event stands once, each request ends once, each grant rests on a person's timely decision. */
import { parseTime } from "../domain/deadline.ts";
import { IdTable } from "./id-table.ts";
import { canonicalJson } from "./record-hash.ts";
import type { Findings, Place } from "./report.ts";

/** A record as it stands in a line; any of its fields may be anything. */
export type Fields = { readonly [name: string]: unknown };

export interface LedgerOptions {
  readonly findings: Findings;
  /** The record at a position, counted over all files, for the few that are looked at again. */
  readonly recall: (position: number) => { readonly fields: Fields; readonly file: string; readonly byte: number };
  /** Milliseconds since the epoch, for deadlines. */
  readonly nowMs: number;
}

const FINAL: ReadonlySet<unknown> = new Set(["granted", "denied", "timeout", "failure", "cancelled"]);
/** What may differ between two records of one event: when, and where they stand. */
const PLACING: ReadonlySet<string> = new Set([
  "timestamp",
  "deadline",
  "writer_id",
  "seq",
  "file_prev",
  "rotated_from",
  "file_size",
  "prev_at",
  "prev_hash",
  "hash",
]);
/** For the last reading, the withdrawal and a worker that was away. */
const CLOSING_MS = 5 * 60_000;
const WORD = 2 ** 32;
const SEEN = 1;
const REQUESTED = 2;
const ENDED = 4;

export class TraceLedger {
  readonly #options: LedgerOptions;
  /** Position of the first record in two words, and its line. */
  readonly #events = new IdTable(3);
  /** The same of the request, and what was seen. */
  readonly #traces = new IdTable(4);
  repeated = 0;
  unverifiedGrants = 0;
  open = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  get traces(): number {
    return this.#traces.size;
  }

  /** `isFromTheStart`: whether nothing was written before the first file, so that every request must stand in it. */
  take(fields: Fields, position: number, place: Place, isFromTheStart: boolean): void {
    const { event_id, trace_id, event_type, outcome } = fields;
    if (typeof event_id !== "string" || this.#isRepeat(event_id, fields, position, place)) return;
    if (typeof trace_id !== "string" || (event_type !== "approval" && event_type !== "rbac")) return;

    let at = this.#traces.find(trace_id);
    if (at === undefined) {
      this.#traces.add(trace_id, ...positionWords(position), place.line, SEEN);
      at = this.#traces.find(trace_id) as number;
    }
    const words = this.#traces.words;
    const flags = words[at + 3] as number;
    if (outcome === "requested") {
      words.set([...positionWords(position), place.line, flags | REQUESTED], at);
      return;
    }
    if (!FINAL.has(outcome)) return;
    const { findings } = this.#options;
    if ((flags & ENDED) !== 0)
      findings.damaged("two_finals", `a second end (${String(outcome)}) of trace ${trace_id}`, place);
    words[at + 3] = flags | ENDED;
    if (outcome === "granted") this.#checkGrant(fields, trace_id, place);
    // What could not be recorded was withdrawn and failed.
    if (isFromTheStart && (flags & REQUESTED) === 0 && "approval_id" in fields && outcome !== "failure") {
      findings.lacks(
        "no_request",
        `trace ${trace_id} ended (${String(outcome)}) without a record of its request`,
        place,
      );
    }
  }

  /** Looks for requests that never ended. */
  finish(): void {
    const { recall, findings, nowMs } = this.#options;
    this.#traces.each((at) => {
      const words = this.#traces.words;
      const flags = words[at + 3] as number;
      if ((flags & ENDED) !== 0 || (flags & REQUESTED) === 0) return;
      const { fields, file, byte } = recall(positionIn(words, at));
      const place = { file, line: words[at + 2] as number, byte };
      const deadline = parseTime(textOf(fields["deadline"])) ?? parseTime(textOf(fields["timestamp"])) ?? 0;
      if (deadline + CLOSING_MS > nowMs) this.open++;
      else
        findings.lacks(
          "no_final",
          `trace ${textOf(fields["trace_id"])} was to end by ${textOf(fields["deadline"]) || "now"}, and has no end`,
          place,
        );
    });
  }

  #isRepeat(eventId: string, fields: Fields, position: number, place: Place): boolean {
    const at = this.#events.find(eventId);
    if (at === undefined) {
      this.#events.add(eventId, ...positionWords(position), place.line);
      return false;
    }
    const first = this.#options.recall(positionIn(this.#events.words, at));
    if (contentOf(first.fields) === contentOf(fields)) this.repeated++;
    else {
      const text = `it has the event id of line ${this.#events.words[at + 2]} of ${first.file}, and other content`;
      this.#options.findings.damaged("same_event", text, place);
    }
    return true;
  }

  #checkGrant(fields: Fields, traceId: string, place: Place): void {
    const { findings } = this.#options;
    const decision = fields["decision"];
    const { status, verified, decided_at } = (
      typeof decision === "object" && decision !== null ? decision : {}
    ) as Fields;
    if (status !== "approved" || typeof verified !== "boolean") {
      findings.damaged("unverified_grant", `trace ${traceId} was granted without a verified decision`, place);
    } else if (!verified) this.unverifiedGrants++;
    const [decided, deadline] = [parseTime(textOf(decided_at)), parseTime(textOf(fields["deadline"]))];
    if (decided !== undefined && deadline !== undefined && decided > deadline) {
      const text = `trace ${traceId} was granted on a decision of ${textOf(decided_at)}, after ${textOf(fields["deadline"])}`;
      findings.damaged("late_grant", text, place);
    }
  }
}

function contentOf(fields: Fields): string {
  return canonicalJson(Object.fromEntries(Object.entries(fields).filter(([name]) => !PLACING.has(name))));
}

function positionWords(position: number): [number, number] {
  return [position % WORD, Math.floor(position / WORD)];
}

function positionIn(words: Uint32Array, at: number): number {
  return (words[at] as number) + (words[at + 1] as number) * WORD;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
