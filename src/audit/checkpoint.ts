/** A checkpoint: what the log was at one moment, signed (docs/audit.md, "Checkpoints"). */
import { sign, verify, type KeyObject } from "node:crypto";
import { canonicalJson, isHash } from "./record-hash.ts";

export interface CheckpointFacts {
  /** RFC 3339. */
  readonly time: string;
  /** Name of the log file, without its folder. */
  readonly file: string;
  /** SHA-256 of the file's first line: it names the file, whatever it is called after a rotation. */
  readonly file_first: string;
  /** Bytes of the file. */
  readonly size: number;
  /** Hashes of the newest lines: of all that no later line names. */
  readonly heads: readonly string[];
  readonly writer_id: string;
  /** Records that this writer has written. */
  readonly records: number;
  /** Counts the checkpoints of this writer, from 1. */
  readonly number: number;
}

export interface Checkpoint extends CheckpointFacts {
  readonly schema: 1;
  /** Ed25519 over the RFC 8785 JSON of the rest, base64. */
  readonly signature: string;
}

export function signed(facts: CheckpointFacts, key: KeyObject): Checkpoint {
  const unsigned = { schema: 1 as const, ...facts };
  return { ...unsigned, signature: sign(null, Buffer.from(canonicalJson(unsigned)), key).toString("base64") };
}

export function isSignedBy({ signature, ...unsigned }: Checkpoint, key: KeyObject): boolean {
  return verify(null, Buffer.from(canonicalJson(unsigned)), key, Buffer.from(signature, "base64"));
}

/** The checkpoint in a line of JSON; `undefined` where it is none. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { time, file, file_first, size, heads, writer_id, number, signature } = value as Record<string, unknown>;
  const isWhole =
    typeof time === "string" &&
    typeof file === "string" &&
    typeof writer_id === "string" &&
    typeof signature === "string" &&
    isHash(file_first) &&
    Number.isSafeInteger(size) &&
    Number.isSafeInteger(number) &&
    Array.isArray(heads) &&
    heads.every(isHash);
  return isWhole ? (value as Checkpoint) : undefined;
}
