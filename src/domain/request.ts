/**
 * What an agent may ask, and the check of it. The client runs the check before anything is started,
 * the workflow runs it again, because any Temporal client in any language can start it.
 */
import { isId } from "./names.ts";

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The input of the workflow `requestApproval`: the wire form, JSON only. */
export interface ApprovalRequest {
  readonly action: string;
  readonly reason: string;
  readonly context?: { readonly [key: string]: Json };
  /** Seconds, fractions allowed; where absent the worker's APPROVAL_TIMEOUT counts. */
  readonly timeout_seconds?: number;
  readonly request_id: string;
  readonly workspace_id: string;
}

/** UTF-8 bytes of the JSON text of each field. */
export const LIMITS = { action: 4 * 1024, reason: 8 * 1024, context: 64 * 1024 } as const;
/** A year: far beyond any person's patience, well inside what a Temporal timer takes. */
export const MAX_TIMEOUT_SECONDS = 31_536_000;

export interface Problem {
  readonly field: string;
  /** Completes the sentence that starts with the field's name. */
  readonly message: string;
}

/** Every problem of a request that came from outside; an empty list means it is an `ApprovalRequest`. */
export function problemsOf(input: unknown): readonly Problem[] {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return [{ field: "request", message: "must be an object with action, reason, request_id and workspace_id" }];
  }
  const { action, reason, context, timeout_seconds, request_id, workspace_id } = input as Record<string, unknown>;
  const problems: Problem[] = [];
  const add = (field: string, message: string) => problems.push({ field, message });

  if (typeof action !== "string") add("action", "must be a string");
  else if (action.trim() === "") add("action", "must not be empty");
  else checkSize("action", action, add);
  if (typeof reason !== "string") add("reason", "must be a string");
  else checkSize("reason", reason, add);
  if (context !== undefined && context !== null) {
    if (typeof context !== "object" || Array.isArray(context)) add("context", "must be a JSON object");
    else checkSize("context", context, add);
  }
  if (timeout_seconds !== undefined && timeout_seconds !== null) {
    if (typeof timeout_seconds !== "number" || !(timeout_seconds > 0) || timeout_seconds > MAX_TIMEOUT_SECONDS) {
      add("timeout_seconds", `must be a number of seconds above 0 and at most ${MAX_TIMEOUT_SECONDS}`);
    }
  }
  for (const [field, value] of [
    ["request_id", request_id],
    ["workspace_id", workspace_id],
  ] as const) {
    if (!isId(value)) add(field, "must be 1 to 128 of the characters A-Z a-z 0-9 . _ -");
  }
  return problems;
}

/** One line that names every problem. */
export function problemText(problems: readonly Problem[]): string {
  return problems.map(({ field, message }) => `${field} ${message}`).join("; ");
}

function checkSize(field: keyof typeof LIMITS, value: unknown, add: (field: string, message: string) => void): void {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    text = undefined;
  }
  if (text === undefined) return add(field, "must be a JSON value");
  const bytes = utf8Length(text);
  if (bytes > LIMITS[field]) {
    add(
      field,
      `is ${bytes} bytes as JSON, the limit is ${LIMITS[field]}; shorten it or put the detail where the approver can look it up`,
    );
  }
}

/** Bytes of a string as UTF-8. Own arithmetic, because the workflow sandbox is typed without an encoder. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
