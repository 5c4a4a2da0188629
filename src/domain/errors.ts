/** Stable codes of every error that Countersign throws. Expected ends of an approval are values, not errors. */
export type ErrorCode =
  | "ERR_CONFIG"
  | "ERR_REQUEST_INVALID"
  | "ERR_REQUEST_MISMATCH"
  | "ERR_PLATFORM_REFUSED"
  | "ERR_PLATFORM_UNREACHABLE"
  | "ERR_PLATFORM_UNREADABLE"
  | "ERR_TEMPORAL_UNREACHABLE"
  | "ERR_TEMPORAL_REFUSED"
  | "ERR_NOT_FOUND"
  | "ERR_AUDIT"
  | "ERR_DEV_SERVER"
  | "ERR_USAGE";

/** A failure or a misuse. `message` says what was tried, on what, what came back and what to do; `cause` is kept. */
export class ApprovalError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ApprovalError";
    this.code = code;
  }
}

/** The message of anything thrown, with the causes behind it, on one line. */
export function messageOf(thrown: unknown): string {
  const parts: string[] = [];
  let error: unknown = thrown;
  for (let depth = 0; depth < 4 && error !== undefined && error !== null; depth++) {
    const text = error instanceof Error || hasMessage(error) ? error.message : String(error);
    const line = text.replace(/\s+/g, " ").trim();
    if (line !== "" && !parts.some((part) => part.includes(line))) parts.push(line);
    error = typeof error === "object" ? (error as { cause?: unknown }).cause : undefined;
  }
  return parts.join(": ");
}

function hasMessage(value: unknown): value is { message: string } {
  return typeof value === "object" && value !== null && typeof (value as { message?: unknown }).message === "string";
}
