/** The hash of a record: SHA-256 over its RFC 8785 JSON, without the field `hash` itself (docs/audit.md, "Chain"). */
import { hash as digest } from "node:crypto";
import canonicalizeModule from "canonicalize";

// The package's types describe an ES module, and it is a CommonJS one: the function itself is what is imported.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined;

/** 64 hexadecimal digits. */
const HASH = /^[0-9a-f]{64}$/;

/** What stands where there is no previous record. */
export const NO_HASH = "0".repeat(64);

export function isHash(value: unknown): value is string {
  return typeof value === "string" && HASH.test(value);
}

export function sha256(data: string | Uint8Array): string {
  return digest("sha256", data);
}

/** `record` has no field `hash`. */
export function recordHash(record: object): string {
  return sha256(canonicalJson(record));
}

/** RFC 8785. */
export function canonicalJson(value: object): string {
  return canonicalize(value) ?? "";
}
