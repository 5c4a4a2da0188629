/** Where the next page of a list starts, as a text that a client hands back unread. */
import { z } from "zod";
import type { Position } from "./store.ts";

const FARTHEST_US = 10_000_000_000_000_000;
const POSITION = z.tuple([
  z.number().min(-FARTHEST_US).max(FARTHEST_US).nullable(),
  z.int().min(0).max(Number.MAX_SAFE_INTEGER),
]);

export function cursorOf(position: Position): string {
  return Buffer.from(JSON.stringify(position)).toString("base64url");
}

/** `undefined` for a text that no list of ours has given. */
export function parseCursor(cursor: string): Position | undefined {
  try {
    return POSITION.safeParse(JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"))).data;
  } catch {
    return undefined;
  }
}
