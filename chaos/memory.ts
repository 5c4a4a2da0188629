/** Memory of a process, as Linux tells it; 0 elsewhere. */
import { readFileSync } from "node:fs";

/** The most that it ever held, in MB. */
export function peakMemoryMb(pid: number): number {
  return field(pid, "VmHWM");
}

/** What it holds now, in MB. */
export function memoryMb(pid: number): number {
  return field(pid, "VmRSS");
}

function field(pid: number, name: string): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    return Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) / 1_024);
  } catch {
    return 0;
  }
}
