/** One audit record as one line of the log (docs/audit.md, "Format"). */
import { createHash } from "node:crypto";
import type { AuditRecord } from "../domain/audit-record.ts";
import { redactJson } from "../domain/redact-json.ts";
import { redact } from "../domain/redact.ts";
import type { Json } from "../domain/request.ts";
import { cutJson, visibleJson } from "../domain/text.ts";

/** Bytes of a whole line, its newline included. */
export const MAX_LINE = 16 * 1024;
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
  "event_id",
  "schema",
]);

/** `event_id` of an event key: SHA-256, hex. */
export function eventIdOf(eventKey: string): string {
  return createHash("sha256").update(eventKey).digest("hex");
}

/**
 * The line with its newline: redacted, without characters that hide, at most 16 KiB. What had to be cut is named in
 * `truncated` with the size and the SHA-256 of the original.
 */
export function auditLine(record: AuditRecord, secrets: readonly string[]): string {
  for (const limit of SHORT_LIMITS) {
    const line = lineWithin(record, secrets, limit);
    if (Buffer.byteLength(line) <= MAX_LINE) return line;
  }
  return lineWithin({ ...record, extras: {} }, secrets, SHORT_LIMITS[0]);
}

function lineWithin(record: AuditRecord, secrets: readonly string[], limit: number): string {
  const truncated: Record<string, Json> = {};
  const fit = (name: string, value: unknown): Json => {
    const { kept, original } = shortened(value, secrets, LONG_FIELDS.has(name) ? MAX_LONG : limit);
    if (original !== undefined) {
      truncated[name] = {
        bytes: Buffer.byteLength(original),
        sha256: createHash("sha256").update(original).digest("hex"),
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
    event_id: eventIdOf(record.event_key),
    schema: 1,
  };
  return `${visibleJson(JSON.stringify(line))}\n`;
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
