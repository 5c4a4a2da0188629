/** What each end means for a script. */
import type { ErrorCode } from "../domain/errors.ts";
import type { ApprovalResult } from "../domain/outcome.ts";

export const EXIT = {
  /** Approved, or done. */
  ok: 0,
  /** Denied, expired, timed out, forbidden or cancelled. */
  notApproved: 1,
  /** Misuse or configuration. */
  misuse: 2,
  /** Failure, or something cannot be reached. */
  failure: 3,
  interrupted: 130,
} as const;

export function exitCodeOfResult(result: ApprovalResult): number {
  if (result.status === "failed") return EXIT.failure;
  return result.approved ? EXIT.ok : EXIT.notApproved;
}

export function exitCodeOfError(code: ErrorCode): number {
  switch (code) {
    case "ERR_CONFIG":
    case "ERR_USAGE":
    case "ERR_REQUEST_INVALID":
    case "ERR_REQUEST_MISMATCH":
      return EXIT.misuse;
    case "ERR_PLATFORM_REFUSED":
    case "ERR_PLATFORM_UNREACHABLE":
    case "ERR_PLATFORM_UNREADABLE":
    case "ERR_TEMPORAL_UNREACHABLE":
    case "ERR_TEMPORAL_REFUSED":
    case "ERR_NOT_FOUND":
    case "ERR_AUDIT":
    case "ERR_DEV_SERVER":
      return EXIT.failure;
  }
}
