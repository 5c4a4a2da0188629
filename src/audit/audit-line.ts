/** One audit record as one line of the log (docs/audit.md, "Format"). */
import type { AuditRecord } from "../domain/audit-record.ts";
import { redactJson } from "../domain/redact-json.ts";
import { redact, REDACTED } from "../domain/redact.ts";
import type { Json } from "../domain/request.ts";
import { cutJson, visibleJson } from "../domain/text.ts";
import { recordHash, sha256 } from "./record-hash.ts";

/** Bytes of a whole line, its newline included. */
export const MAX_LINE = 16 * 1024;
/** So many hashes of other writers' lines does one record name at most; the rest waits for the next one. */
export const MAX_FILE_PREV = 16;
export const MAX_ROTATED_FROM = 4;
/** Bytes that the fields of the chain may take. */
const MAX_LINK = 1_900;
/** Bytes of `resource` and `reason_text`, as they stand in the line. */
const MAX_LONG = 4 * 1024;
const LONG_FIELDS: ReadonlySet<string> = new Set(["resource", "reason_text"]);
/** Bytes of every other value: the first of these with which the line fits. */
const SHORT_LIMITS = [1_024, 256, 64] as const;
/** Far more than any record has; a record from a stranger cannot make a line too long by their number. */
const MAX_EXTRAS = 32;

/** Names that no extra may take. */
const RESERVED: ReadonlySet<string> = new Set([
  "timestamp",
  "event_type",
  "workspace_id",
  "actor",
  "action",
  "resource",
  "outcome",
  "trace_id",
  "truncated",
  "redactions",
  "schema",
  "event_id",
  "writer_id",
  "seq",
  "file_prev",
  "rotated_from",
  "file_size",
  "prev_at",
  "prev_hash",
  "hash",
]);

/** A record as it will stand in the line, without its place in the chain. */
export type Body = { readonly [name: string]: Json } & { readonly event_id: string };

/** The place of a record in the chain of its writer (docs/audit.md, "Chain"). */
export interface Link {
  readonly writer_id: string;
  readonly seq: number;
  /** Hashes of lines by others in this file that no record names yet. */
  readonly file_prev?: readonly string[];
  /** Of a writer's first record in a file after another file: hashes of the last lines of that one, as far as it knows them. */
  readonly rotated_from?: readonly string[];
  /** Of a writer's first record in a file: the file's bytes before it, as the writer saw it. */
  readonly file_size?: number;
  /** Of every other record: the byte at which this writer's previous one starts. */
  readonly prev_at?: number;
  /** Of this writer's previous record, in whichever file. */
  readonly prev_hash: string;
}

/** `event_id` of an event key: SHA-256, hex. */
export function eventIdOf(eventKey: string): string {
  return sha256(eventKey);
}

/**
 * The record redacted, and cut so that its line has at most 16 KiB. What had to be cut is named in `truncated` with the
 * size and the SHA-256 of the original.
 */
export function bodyOf(record: AuditRecord, secrets: readonly string[]): Body {
  for (const limit of SHORT_LIMITS) {
    const body = bodyWithin(record, secrets, limit);
    if (Buffer.byteLength(lineText(body)) <= MAX_LINE - MAX_LINK) return body;
  }
  return bodyWithin({ ...record, extras: {} }, secrets, SHORT_LIMITS[0]);
}

/** The line with its newline, and the record's hash. */
export function sealed(body: Body, link: Link): { readonly line: string; readonly hash: string } {
  const record = { ...body, ...link };
  const hash = recordHash(record);
  return { line: `${lineText({ ...record, hash })}\n`, hash };
}

/** The one form in which a record is written: JSON, with escapes for all characters that hide. */
export function lineText(record: object): string {
  return visibleJson(JSON.stringify(record));
}

function bodyWithin(record: AuditRecord, secrets: readonly string[], limit: number): Body {
  const truncated: Record<string, Json> = {};
  const fit = (name: string, value: unknown): Json => {
    const { kept, original } = shortened(value, secrets, LONG_FIELDS.has(name) ? MAX_LONG : limit);
    if (original !== undefined) {
      truncated[name] = {
        bytes: Buffer.byteLength(original),
        sha256: sha256(original),
      };
    }
    return kept;
  };
  const extras = Object.entries(record.extras)
    .filter(([name, value]) => !RESERVED.has(name) && value !== undefined)
    .slice(0, MAX_EXTRAS)
    .map(([name, value]) => [cutJson(redact(name, secrets), 64), fit(name, value)] as const);
  const line = {
    timestamp: timestampOf(record.time_ms),
    event_type: record.event_type,
    workspace_id: fit("workspace_id", record.workspace_id),
    actor: fit("actor", record.actor),
    action: fit("action", record.action),
    resource: fit("resource", record.resource),
    outcome: fit("outcome", record.outcome),
    trace_id: fit("trace_id", record.trace_id),
    ...Object.fromEntries(extras),
    ...(Object.keys(truncated).length === 0 ? {} : { truncated }),
  };
  const redactions = JSON.stringify(line).split(REDACTED).length - 1;
  return {
    ...line,
    ...(redactions === 0 ? {} : { redactions }),
    schema: 1,
    event_id: eventIdOf(record.event_key),
  };
}

/** A value within `bytes` of JSON; what is no text is cut as its JSON text. `original` is there where something was cut. */
function shortened(value: unknown, secrets: readonly string[], bytes: number): { kept: Json; original?: string } {
  const clean = redactJson(value, secrets);
  const text = typeof clean === "string" ? clean : JSON.stringify(clean);
  const kept = cutJson(text, bytes);
  if (kept === text) return { kept: clean };
  return { kept, original: typeof value === "string" ? value : JSON.stringify(value) };
}

/** `YYYY-MM-DDTHH:MM:SS.ffffff+00:00`, as the original tool writes it. */
function timestampOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace("Z", "000+00:00");
}
