/** A request's context as rows of a tree. Pure, and without recursion: nesting comes from outside and may be very deep. */

export interface Row {
  /** 0 for the context's own keys. */
  readonly depth: number;
  /** The keys above it, outermost first, at most three of them, for those who cannot see the indentation. */
  readonly path: readonly string[];
  /** A key, or the number of an array's entry, from 1. */
  readonly key: string;
  /** JSON text of a value; `undefined` for an object or array whose entries follow. */
  readonly value?: string;
  /** Strings are shown as they are, the rest as JSON. */
  readonly isText: boolean;
  /** "3 entries", for an object or array. */
  readonly size?: string;
}

interface Waiting {
  readonly depth: number;
  readonly path: readonly string[];
  readonly key: string;
  readonly value: unknown;
}

export function rowsOf(context: { readonly [key: string]: unknown }): readonly Row[] {
  const rows: Row[] = [];
  const waiting: Waiting[] = childrenOf(context, 0, []);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { depth, path, key, value } = next;
    if (typeof value !== "object" || value === null) {
      const isText = typeof value === "string";
      rows.push({ depth, path, key, value: isText ? value : String(value), isText });
      continue;
    }
    const children = childrenOf(value, depth + 1, [...path, key].slice(-3));
    const [none, noun] = Array.isArray(value) ? ["[]", "item"] : ["{}", "field"];
    if (children.length === 0) rows.push({ depth, path, key, value: none, isText: false });
    else {
      const size = `${children.length.toLocaleString("en")} ${noun}${children.length === 1 ? "" : "s"}`;
      rows.push({ depth, path, key, isText: false, size });
      for (const child of children) waiting.push(child);
    }
  }
  return rows;
}

/** Last one first, as a stack takes them. */
function childrenOf(value: object, depth: number, path: readonly string[]): Waiting[] {
  const entries: readonly (readonly [string, unknown])[] = Array.isArray(value)
    ? value.map((entry: unknown, at) => [String(at + 1), entry] as const)
    : Object.entries(value);
  return entries.map(([key, entry]) => ({ depth, path, key, value: entry })).toReversed();
}
