import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runTool } from "./run-tool.ts";
import type { Environment } from "./run-tool.ts";

export interface InstallStep {
  readonly env: Environment;
  /** An empty folder of the step's own. */
  readonly folder: string;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const LIMIT_MS = 60_000;
const STALL_MS = 15_000;
const REPORT_MS = 5_000;
/** The SDK's name for a file that is still growing. */
const UNFINISHED = ".downloading";

/** Has the Temporal SDK download its dev server. Answers the file; throws with the reason after 60 s, or 15 s without a byte. */
export async function download(step: InstallStep): Promise<string> {
  step.onProgress("downloading the Temporal dev server (about 100 MB, once)");
  let bytes = 0;
  let movedAtMs = 0;
  let reportedAtMs = 0;
  const run = await runTool(
    process.execPath,
    [fileURLToPath(new URL("./download-process.js", import.meta.url)), step.folder],
    {
      env: step.env,
      limitMs: LIMIT_MS,
      ownGroup: true,
      signal: step.signal,
      onTick: (elapsedMs) => {
        if (finished(step.folder) !== undefined) return "complete";
        const now = size(step.folder);
        if (now !== bytes) movedAtMs = elapsedMs;
        bytes = now;
        if (elapsedMs - movedAtMs >= STALL_MS) return `no progress for ${STALL_MS / 1000} s`;
        if (elapsedMs - reportedAtMs >= REPORT_MS) {
          reportedAtMs = elapsedMs;
          step.onProgress(`downloading the Temporal dev server: ${Math.round(bytes / 1e6)} MB`);
        }
        return undefined;
      },
    },
  );
  const file = finished(step.folder);
  if (file !== undefined) return file;
  const lines = run.output.trim().split("\n");
  throw new Error([run.ended, lastCause(lines.at(-1) ?? "")].filter((part) => part !== "").join(": "));
}

/** The SDK's error repeats its long URL at every level; the host and the innermost cause say all of it. */
function lastCause(line: string): string {
  const host = /https?:\/\/([^/)\s]+)/.exec(line)?.[1];
  const cause = line
    .slice(line.lastIndexOf(")") > 0 ? line.lastIndexOf("): ") + 1 : 0)
    .replace(/^[:\s]+/, "")
    .slice(0, 300);
  return host === undefined || cause.includes(host) ? cause : `${host}: ${cause}`;
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function finished(folder: string): string | undefined {
  const name = entries(folder).find((each) => !each.endsWith(UNFINISHED));
  return name === undefined ? undefined : join(folder, name);
}

function size(folder: string): number {
  let sum = 0;
  for (const name of entries(folder)) sum += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  return sum;
}
