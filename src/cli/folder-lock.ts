/** One `up`, and one inbox, per data folder: a file that names the process id of the one that runs. */
import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { ApprovalError } from "../domain/errors.ts";

/**
 * Takes the lock, also from a process that has died. Answers the release.
 * Throws ERR_USAGE naming the process id where another process holds it.
 */
export function lockFolder(file: string, command: "up" | "inbox" = "up"): () => void {
  const mine = `${process.pid} ${startOf(process.pid) ?? ""}`.trim();
  while (!create(file, mine)) {
    const theirs = read(file);
    if (theirs === undefined) continue;
    const holder = livingHolder(theirs);
    if (holder !== undefined) {
      throw new ApprovalError(
        "ERR_USAGE",
        `The data folder ${dirname(file)} is in use by another countersign ${command}, process ${holder}; stop that one, or give another folder with --data`,
      );
    }
    takeAway(file, theirs);
  }
  return () => {
    if (read(file) === mine) rmSync(file, { force: true });
  };
}

/** A link appears with its content: nobody ever reads a lock without a process id. */
function create(file: string, content: string): boolean {
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, content, { flag: "wx", mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes the dead lock; one that another process has put there meanwhile is given back. */
function takeAway(file: string, dead: string): void {
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
    if (read(aside) !== dead) linkSync(aside, file);
  } catch {
    // Somebody else was faster: the next look tells.
  } finally {
    rmSync(aside, { force: true });
  }
}

function livingHolder(content: string): number | undefined {
  const [pidText = "", start] = content.split(" ");
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return undefined;
  }
  // Process ids come back, in containers at once: the same id with another start is another process.
  const now = startOf(pid);
  return start !== undefined && now !== undefined && start !== now ? undefined : pid;
}

/** When a process started, in the kernel's ticks; `undefined` where there is no /proc (proc_pid_stat(5), field 22). */
function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses, and may hold spaces.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}
