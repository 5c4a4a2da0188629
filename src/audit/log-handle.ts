/** The file of the audit log as its writer opens it, and what to do where that fails. */
import { constants } from "node:fs";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import { sha256 } from "./record-hash.ts";
import { readFrom } from "./tail-index.ts";

const LONGEST_FIRST_LINE = 64 * 1024;

/** One write call: a line is never appended in parts. */
export async function writeWhole(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  const { bytesWritten } = await file.write(bytes);
  if (bytesWritten !== bytes.length) {
    throw Object.assign(new Error(`only ${bytesWritten} of ${bytes.length} bytes were written`), { code: "ENOSPC" });
  }
}

/** SHA-256 of the first line, without its newline. */
export async function firstLineHash(file: FileHandle): Promise<string> {
  const start = await readFrom(file, 0, LONGEST_FIRST_LINE);
  const end = start.indexOf(0x0a);
  return sha256(end < 0 ? start : start.subarray(0, end));
}

// No link is followed: it would let the log be written elsewhere. Non-blocking: a named pipe must not hold us.
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Opens the file to append to it; makes it where it is missing. */
export async function openLogFile(path: string): Promise<FileHandle> {
  const file = await open(path, FLAGS, 0o600).catch(async (error: unknown) => {
    if (codeOf(error) !== "ENOENT") throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return open(path, FLAGS, 0o600);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw Object.assign(new Error("it is not a regular file"), { code: "EISDIR" });
    // The entry in the folder has to be on disk too, or the file is gone after a power cut.
    if (stat.size === 0) await syncFolder(dirname(path));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["ENOSPC", "make room on that disk; it goes on by itself"],
  ["EDQUOT", "raise the quota or make room; it goes on by itself"],
  ["EFBIG", "rotate the file, or raise the limit of file sizes"],
  ["ELOOP", "it is a symbolic link, which is not followed: name the file itself in AUDIT_LOG_PATH"],
  ["EISDIR", "AUDIT_LOG_PATH must name a regular file"],
  ["ENOTDIR", "AUDIT_LOG_PATH must name a file in a folder"],
  ["ENXIO", "AUDIT_LOG_PATH must name a regular file"],
]);

export function auditError(path: string, error: unknown): ApprovalError {
  const remedy =
    REMEDIES.get(codeOf(error) ?? "") ?? "make it writable for this user, or set AUDIT_LOG_PATH to a file that is";
  return new ApprovalError("ERR_AUDIT", `The audit log ${path} cannot be written: ${messageOf(error)}; ${remedy}`, {
    cause: error,
  });
}

function codeOf(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}
