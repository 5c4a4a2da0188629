import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

/** A holder on another host (a shared home folder) cannot be asked whether it lives: it counts as dead after this silence. */
const SILENCE_MS = 30_000;
const TOUCH_MS = 5_000;
const LOOK_MS = 200;

export interface LockOptions {
  /** Called once for every holder waited for. */
  readonly onWait: (holder: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while this process alone holds the lock file, which names our pid. A lock whose holder is dead is taken over.
 * Two processes that find the same dead holder in the same instant might both go on; the work must bear that.
 */
export async function withInstallLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  let waitedFor: string | undefined;
  while (!take(path, mine)) {
    const theirs = read(path);
    if (theirs !== undefined && isDead(path, theirs)) {
      if (read(path) === theirs) remove(path);
      continue;
    }
    if (theirs !== undefined && theirs !== waitedFor) {
      waitedFor = theirs;
      options.onWait(`process ${String(holderOf(theirs).pid)}`);
    }
    await delay(LOOK_MS, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
  const touch = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // Somebody removed it; the work goes on, because a second one does no harm.
    }
  }, TOUCH_MS);
  touch.unref();
  try {
    return await work();
  } finally {
    clearInterval(touch);
    if (read(path) === mine) remove(path);
  }
}

/** A link appears with its content, so that no one ever reads a lock without a pid. */
function take(path: string, content: string): boolean {
  const draft = `${path}.${randomUUID()}`;
  writeFileSync(draft, content, { flag: "wx", mode: 0o600 });
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    remove(draft);
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Gone already.
  }
}

function holderOf(content: string): { readonly pid?: unknown; readonly host?: unknown } {
  try {
    const value: unknown = JSON.parse(content);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function isDead(path: string, content: string): boolean {
  const { pid, host } = holderOf(content);
  if (typeof pid === "number" && host === hostname()) {
    try {
      process.kill(pid, 0);
    } catch (error) {
      // EPERM: it lives, and belongs to somebody else.
      return (error as NodeJS.ErrnoException).code === "ESRCH";
    }
  }
  try {
    return Date.now() - statSync(path).mtimeMs > SILENCE_MS;
  } catch {
    return false;
  }
}
