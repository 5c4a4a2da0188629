/** What makes two requests the same request: the SHA-256 of their content. */
import { createHash } from "node:crypto";
import canonicalizeModule from "canonicalize";

// The package is CommonJS and its declarations claim an ES default export, so the types miss what Node really gives.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined;

/** The part of a request that a person decides about. */
export interface Content {
  readonly action: string;
  readonly reason: string;
  readonly context?: unknown;
}

/**
 * SHA-256 of the RFC 8785 JSON of `{action, reason, context}`, hex; a missing context counts as null.
 * Throws a RangeError where `context` is nested too deeply to be walked.
 */
export function contentHash({ action, reason, context }: Content): string {
  const text = canonicalize({ action, reason, context: context ?? null });
  return createHash("sha256")
    .update(text ?? "", "utf8")
    .digest("hex");
}
