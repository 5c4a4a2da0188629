/** The hash of a record: SHA-256 over its RFC 8785 JSON, without the field `hash` itself (docs/audit.md, "Chain"). */
import { hash as digest } from "node:crypto";

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

/** Whether or not the record has its field `hash`: it is left out. */
export function recordHash(record: object): string {
  return sha256(canonicalJson(record, "hash"));
}

/**
 * RFC 8785 of a value that came from JSON: the members of objects sorted by UTF-16 code units, no white space, strings and numbers as JSON.stringify
 * writes them. `without` leaves out a member of the outermost object. Made for a million records, which have but a few sets of names.
 */
export function canonicalJson(value: object, without?: string): string {
  if (Array.isArray(value)) return `[${value.map(elementJson).join(",")}]`;
  let text = "";
  for (const name of sortedNames(Object.keys(value))) {
    const member = (value as Record<string, unknown>)[name];
    if (member === undefined || name === without) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${elementJson(member)}`;
  }
  return `{${text}}`;
}

function elementJson(value: unknown): string {
  return typeof value === "object" && value !== null ? canonicalJson(value) : JSON.stringify(value);
}

const MOST_SETS = 1_000;
const sets = new Map<string, readonly string[]>();

function sortedNames(names: readonly string[]): readonly string[] {
  const key = JSON.stringify(names);
  const known = sets.get(key);
  if (known !== undefined) return known;
  const sorted = names.toSorted();
  if (sets.size >= MOST_SETS) sets.clear();
  sets.set(key, sorted);
  return sorted;
}
