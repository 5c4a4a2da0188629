/** Which files a process holds open, as Linux tells it. */
import { readdirSync, readlinkSync, realpathSync } from "node:fs";

/** Whether this machine tells it at all. */
export const TELLS_OPEN_FILES = process.platform === "linux";

/** How many; 0 where the process is gone, or where Linux does not tell us of it. */
export function openFiles(pid: number): number {
  return namesIn(`/proc/${pid}/fd`).length;
}

/** False also where the process is gone, or where Linux does not tell us of it. */
export function holdsOpen(pid: number, path: string): boolean {
  const wanted = realpathSync(path);
  const folder = `/proc/${pid}/fd`;
  return namesIn(folder).some((name) => linkAt(`${folder}/${name}`) === wanted);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // Closed since the folder was read.
    return undefined;
  }
}
