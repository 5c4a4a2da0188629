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
  return sha256(formsOf(record, "hash").canonical);
}

/**
 * RFC 8785 of a value that came from JSON: the members of objects sorted by UTF-16 code units, no white space, strings and numbers as JSON.stringify
 * writes them.
 */
export function canonicalJson(value: object): string {
  return Array.isArray(value) ? `[${value.map(canonicalElement).join(",")}]` : formsOf(value).canonical;
}

/**
 * An object from JSON as JSON.stringify writes it, and as RFC 8785 does, there without its member `left`. Made for a million records, which have but a
 * few sets of names: each value is written once for both.
 */
export function formsOf(record: object, left?: string): { readonly written: string; readonly canonical: string } {
  const shape = shapeOf(Object.keys(record));
  const { names, labels, sorted } = shape;
  const parts: string[] = [];
  let written = "";
  for (let at = 0; at < names.length; at++) {
    const value = (record as Record<string, unknown>)[names[at] as string];
    // As JSON.stringify has it.
    if (value === undefined) {
      parts.push("");
      continue;
    }
    const text = JSON.stringify(value);
    written += `${written === "" ? "" : ","}${labels[at]}${text}`;
    const isNested = typeof value === "object" && value !== null;
    parts.push(names[at] === left ? "" : isNested ? canonicalElement(value) : text);
  }
  let canonical = "";
  for (const at of sorted) {
    if (parts[at] !== "") canonical += `${canonical === "" ? "" : ","}${labels[at]}${parts[at]}`;
  }
  return { written: `{${written}}`, canonical: `{${canonical}}` };
}

function canonicalElement(value: unknown): string {
  return typeof value === "object" && value !== null ? canonicalJson(value) : JSON.stringify(value);
}

/** What the objects with these names, in this order, have in common. */
interface Shape {
  readonly names: readonly string[];
  /** `"name":` of each. */
  readonly labels: readonly string[];
  /** Indexes in the order of the names. */
  readonly sorted: readonly number[];
}

const MOST_SHAPES = 1_000;
const shapes = new Map<string, Shape>();

function shapeOf(names: readonly string[]): Shape {
  const key = names.join(",");
  const known = shapes.get(key);
  // Names from outside may hold anything, a comma too.
  if (known?.names.length === names.length && known.names.every((name, at) => name === names[at])) return known;
  const shape = {
    names,
    labels: names.map((name) => `${JSON.stringify(name)}:`),
    sorted: names.map((_, at) => at).toSorted((a, b) => ((names[a] ?? "") < (names[b] ?? "") ? -1 : 1)),
  };
  if (shapes.size >= MOST_SHAPES) shapes.clear();
  shapes.set(key, shape);
  return shape;
}
