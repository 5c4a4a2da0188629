/**
 * A line torn by a crash or a full disk. Nothing is cut off: another process may be appending behind it. The fragment is kept beside the log
 * and blanked out in it, so that every line of the log is JSON or blank, and a record `audit.recovered` tells of it.
 */
import { constants } from "node:fs";
import { open, writeFile, type FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import { bodyOf, type Body } from "./audit-line.ts";
import { isHash, recordHash, sha256 } from "./record-hash.ts";
import { readFrom } from "./tail-index.ts";

/** Nothing of ours is longer; what is stays as it is. */
const LONGEST = 64 * 1024;

/** True for a record that lacks nothing but its newline. */
export function isWholeRecord(fragment: Buffer): boolean {
  try {
    const record = JSON.parse(fragment.toString("utf8")) as { readonly hash?: unknown };
    return isHash(record.hash) && recordHash(record) === record.hash;
  } catch {
    return false;
  }
}

/** Keeps the fragment as a file of its own and blanks it out; the record that tells of it is the answer. */
export async function setAside(path: string, log: FileHandle, fragment: Buffer, at: number): Promise<Body> {
  const hash = sha256(fragment);
  const kept = `${path}.${hash.slice(0, 12)}.torn`;
  const isKept = await writeFile(kept, fragment, { flag: "wx", mode: 0o600 }).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === "EEXIST",
  );
  // Without the copy the fragment stays where it is, for people to see.
  if (isKept) await blankOut(path, log, fragment, at).catch(() => undefined);
  return bodyOf(
    {
      event_key: `${at}|${hash}|audit.recovered`,
      time_ms: Date.now(),
      event_type: "audit",
      workspace_id: "",
      actor: "countersign",
      action: "audit.recovered",
      resource: basename(kept),
      outcome: "skipped",
      trace_id: traceOf(hash),
      extras: { torn_at: at, torn_bytes: fragment.length, torn_sha256: hash },
    },
    [],
  );
}

/** Through a handle of its own, because one for appending only appends. Fails where the file may only be appended to, which does no harm. */
async function blankOut(path: string, log: FileHandle, fragment: Buffer, at: number): Promise<void> {
  if (fragment.length > LONGEST) return;
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const [here, there] = [await log.stat(), await file.stat()];
    const isSame = here.ino === there.ino && here.dev === there.dev && there.size >= at + fragment.length;
    if (!isSame || !(await readFrom(file, at, fragment.length)).equals(fragment)) return;
    await file.write(Buffer.alloc(fragment.length, " "), 0, fragment.length, at);
  } finally {
    await file.close();
  }
}

/** A UUID v4 that is the same whoever finds the fragment. */
function traceOf(hash: string): string {
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
