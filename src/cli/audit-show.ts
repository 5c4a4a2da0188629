/** `countersign audit show`: one request as a story. */
import { inOrder, readLines } from "../audit/log-files.ts";
import { ApprovalError } from "../domain/errors.ts";
import { visible } from "../domain/text.ts";
import { coloured } from "./colour.ts";
import type { Io } from "./io.ts";
import { printJson } from "./print-result.ts";
import { sentence, textOf, type AuditFields } from "./audit-story.ts";

const NAMES = ["trace_id", "approval_id", "workflow_id"] as const;

export function showTrace(io: Io, id: string, files: readonly string[], json: boolean): void {
  const named = recordsOf(files, (text) => text.includes(id)).filter((record) =>
    NAMES.some((name) => record[name] === id),
  );
  if (named.length === 0) {
    throw new ApprovalError("ERR_NOT_FOUND", `No record of ${id} in ${files.join(", ")}; give rotated files too`);
  }
  // An approval id and a workflow id lead to the trace; a workflow id may lead to several runs.
  const traces = new Set(named.map((record) => textOf(record["trace_id"])));
  const records = recordsOf(files, (text) => [...traces].some((trace) => text.includes(trace))).filter((record) =>
    traces.has(textOf(record["trace_id"])),
  );
  if (json) return printJson(io, records);
  for (const trace of traces) tell(io, trace, once(records.filter((record) => record["trace_id"] === trace)));
}

function tell(io: Io, trace: string, records: readonly AuditFields[]): void {
  const facts = (name: string): string => textOf(records.find((record) => textOf(record[name]) !== "")?.[name]);
  const head = [
    ["Trace", trace],
    ["Action", facts("resource")],
    ["Reason", facts("reason_text")],
    ["Workspace", facts("workspace_id")],
    ["Workflow", facts("workflow_id")],
    ["Approval", facts("approval_id")],
  ] as const;
  for (const [name, value] of head) {
    if (value !== "") io.out(`${coloured(name.padEnd(9), "dim", io.colour.out)} ${visible(value)}`);
  }
  for (const record of records) {
    io.out(`${coloured(visible(textOf(record["timestamp"])), "dim", io.colour.out)}  ${visible(sentence(record))}`);
  }
}

/** A repeated record tells nothing new. */
function once(records: readonly AuditFields[]): readonly AuditFields[] {
  return [...new Map(records.toReversed().map((record) => [record["event_id"], record])).values()].toReversed();
}

function recordsOf(files: readonly string[], mayFit: (text: string) => boolean): AuditFields[] {
  const found: AuditFields[] = [];
  for (const file of inOrder(files)) {
    readLines(file, (line) => {
      const text = line.toString("utf8");
      // Most lines are of others, and are not parsed.
      if (!mayFit(text)) return;
      try {
        const value: unknown = JSON.parse(text);
        if (typeof value === "object" && value !== null) found.push(value as AuditFields);
      } catch {
        // `audit verify` tells of lines that are none.
      }
    });
  }
  return found;
}
