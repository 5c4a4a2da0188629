import { join } from "node:path";
import type { InstallStep } from "./download.ts";
import { onPath } from "./locate.ts";
import { runTool } from "./run-tool.ts";

/** Not simply the latest: `go install` refuses v1.9.1. */
export const GO_PACKAGE = "github.com/temporalio/cli/cmd/temporal@v1.5.1";

const LIMIT_MS = 15 * 60_000;
const REPORT_MS = 15_000;

/** Builds the Temporal CLI with Go, about three minutes on two cores. Answers the file; throws with the reason. */
export async function goInstall(step: InstallStep): Promise<string> {
  const go = onPath("go", step.env)[0];
  if (go === undefined) throw new Error("Go is not on PATH");
  step.onProgress("building the Temporal dev server with Go (about 3 minutes, once)");
  let reportedAtMs = 0;
  const run = await runTool(go, ["install", GO_PACKAGE], {
    env: { ...step.env, GOBIN: step.folder },
    cwd: step.folder,
    limitMs: LIMIT_MS,
    signal: step.signal,
    onTick: (elapsedMs) => {
      if (elapsedMs - reportedAtMs >= REPORT_MS) {
        reportedAtMs = elapsedMs;
        step.onProgress(`building the Temporal dev server with Go: ${Math.round(elapsedMs / 1000)} s so far`);
      }
      return undefined;
    },
  });
  if (run.ok) return join(step.folder, "temporal");
  const said = run.output.trim().split("\n").at(-1) ?? "";
  throw new Error(said === "" ? run.ended : `${run.ended}: ${said.slice(0, 300)}`);
}
