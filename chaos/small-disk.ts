/** A disk of its own that is really full when it is full: a file system in memory of fixed size. Linux, and the right to mount. */
import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Field } from "./field.ts";

const run = promisify(execFile);
const KIB = 64;

export interface SmallDisk {
  readonly folder: string;
  readonly size_kib: number;
  /** Takes every page that is left; the room inside a file's last page stays. */
  fill(): Promise<void>;
  /** Gives them back. */
  free(): Promise<void>;
}

/** Mounts it until the row is over; `undefined` where we may not. */
export async function smallDisk(field: Field): Promise<SmallDisk | undefined> {
  const folder = await field.folder();
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${KIB}k,mode=0700`, "tmpfs", folder]);
  } catch {
    return undefined;
  }
  field.after(() => run("umount", [folder]));
  const filler = join(folder, "filler");
  return {
    folder,
    size_kib: KIB,
    async fill() {
      const error: unknown = await writeFile(filler, Buffer.alloc(2 * KIB * 1_024)).catch((reason: unknown) => reason);
      if ((error as NodeJS.ErrnoException | undefined)?.code !== "ENOSPC") throw new Error("the disk is not full");
    },
    free: () => rm(filler),
  };
}
