/** The audit files as bytes on disk: their records, and whether the chain of each writer is whole. Shares no code with the writer. */
import { createHash } from "node:crypto";

export interface Line {
  readonly [key: string]: unknown;
}

/** Every record of a file. What is no JSON object was torn by a crash and is passed over, as docs/audit.md says. */
export function parsedLines(text: string): readonly Line[] {
  return text.split("\n").flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return isLine(value) ? [value] : [];
    } catch {
      return [];
    }
  });
}

function isLine(value: unknown): value is Line {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One sentence for each record that is not where its writer put it. */
export function brokenChains(lines: readonly Line[]): readonly string[] {
  const problems: string[] = [];
  const last = new Map<unknown, { readonly seq: number; readonly hash: unknown }>();
  const events = new Map<unknown, unknown>();
  for (const line of lines) {
    const { hash, ...rest } = line;
    const writer = line["writer_id"];
    if (writer === undefined) continue;
    const name = `record ${String(line["seq"])} of writer ${String(writer)}`;
    if (createHash("sha256").update(canonical(rest)).digest("hex") !== hash) problems.push(`${name} was changed`);
    const before = last.get(writer);
    if (line["seq"] !== (before?.seq ?? 0) + 1) problems.push(`${name} follows number ${before?.seq ?? 0}`);
    else if (line["prev_hash"] !== (before?.hash ?? "0".repeat(64)))
      problems.push(`${name} names another as the one before it`);
    last.set(writer, { seq: Number(line["seq"]), hash });
    const content = JSON.stringify([line["trace_id"], line["outcome"], line["action"], line["approval_id"]]);
    const standing = events.get(line["event_id"]);
    if (standing !== undefined && standing !== content) problems.push(`${name} has the event id of another event`);
    events.set(line["event_id"], content);
  }
  return problems;
}

/** RFC 8785: the numbers and strings of JSON.stringify, and keys sorted by UTF-16 code units. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join()}}`;
}
