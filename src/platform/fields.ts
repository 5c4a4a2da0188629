/** The fields that events and list items share, each as a guard: text from outside is one of ours only if it passes. */
export type Fields = { readonly [key: string]: unknown };

/** No control, format or unpaired surrogate characters: an id goes into URLs, logs and the Temporal UI. */
const APPROVAL_ID = /^[^\p{C}]{1,128}$/u;
const MAX_DECIDER = 1_024;
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An approval id: 1 to 128 printable characters. `.` and `..` are refused: they would change a URL's path. */
export function isApprovalId(value: unknown): value is string {
  return typeof value === "string" && APPROVAL_ID.test(value) && value !== "." && value !== "..";
}

/** True for `decided_by` as the platforms send it: absent, null, or up to 1,024 characters of text. */
export function isDecider(value: unknown): value is string | null | undefined {
  return isText(value) && (value ?? "").length <= MAX_DECIDER;
}

/** True for optional text: absent, null or a string. */
export function isText(value: unknown): value is string | null | undefined {
  return value === undefined || value === null || typeof value === "string";
}

/** An RFC 3339 time, unchanged; `undefined` for any other text, so that an unreadable time is a missing one. */
export function timeOf(text: string | null | undefined): string | undefined {
  return typeof text === "string" && RFC_3339.test(text) && !Number.isNaN(Date.parse(text)) ? text : undefined;
}
