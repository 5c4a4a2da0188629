import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import { download } from "./download.ts";
import type { InstallStep } from "./download.ts";
import { GO_PACKAGE, goInstall } from "./go-install.ts";
import { withInstallLock } from "./install-lock.ts";
import { cacheFolder, inCache, onPath, problemOfBinary } from "./locate.ts";
import type { Environment } from "./run-tool.ts";

export interface ResolveOptions {
  /** PATH, HOME, XDG_CACHE_HOME, TEMPORAL_CLI and the proxy variables count. */
  readonly env: Environment;
  /** What is being done, one line at a time, where it takes long. Default: silence. */
  readonly onProgress?: (line: string) => void;
  /** Ends a download or a build; the signal's reason is thrown. */
  readonly signal?: AbortSignal;
}

export interface DevServerBinary {
  /** The Temporal CLI, which holds the dev server. */
  readonly path: string;
  readonly source: "TEMPORAL_CLI" | "PATH" | "cache" | "download" | "go";
}

/** Folders of installations under way; the dot keeps them from being taken for installed ones. */
const UNDER_WAY = ".install-";

/**
 * Finds the Temporal CLI, or installs it: TEMPORAL_CLI, PATH, our cache, the Temporal SDK's download, `go install`.
 * Two processes at once make one installation; the other one waits for it and says so.
 * Throws ERR_DEV_SERVER with all that was tried, why each failed, and the remedies.
 */
export async function resolveDevServer(options: ResolveOptions): Promise<DevServerBinary> {
  const { env, signal } = options;
  const onProgress = options.onProgress ?? (() => {});
  const cache = cacheFolder(env);
  const failures: string[] = [];

  const firstUsable = async (paths: readonly string[]): Promise<{ path?: string; why: string }> => {
    const problems: string[] = [];
    for (const path of paths) {
      const problem = await problemOfBinary(path, env, signal);
      if (problem === undefined) return { path, why: "" };
      problems.push(problem);
    }
    return { why: problems.join("; ") };
  };

  const named = env["TEMPORAL_CLI"];
  if (named) {
    const { path, why } = await firstUsable([resolve(named)]);
    if (path !== undefined) return { path, source: "TEMPORAL_CLI" };
    onProgress(`TEMPORAL_CLI is not usable, looking further (${why})`);
    failures.push(`TEMPORAL_CLI: ${why}`);
  } else {
    failures.push("TEMPORAL_CLI: not set");
  }

  const path = await firstUsable(onPath("temporal", env));
  if (path.path !== undefined) return { path: path.path, source: "PATH" };
  failures.push(`\`temporal\` on PATH: ${path.why || "not there"}`);

  const cached = await firstUsable(inCache(cache));
  if (cached.path !== undefined) return { path: cached.path, source: "cache" };
  failures.push(`the cache ${cache}: ${cached.why || "empty"}`);

  try {
    mkdirSync(cache, { recursive: true });
    return await withInstallLock(
      join(cache, "install.lock"),
      { signal, onWait: (holder) => onProgress(`${holder} is installing the Temporal dev server; waiting for it`) },
      async () => {
        // Another process may have installed it while this one waited for the lock.
        const meanwhile = await firstUsable(inCache(cache));
        if (meanwhile.path !== undefined) return { path: meanwhile.path, source: "cache" };
        removeLeftovers(cache);
        return await install(cache, { env, onProgress, signal }, failures);
      },
    );
  } catch (error) {
    if (signal?.aborted === true || error instanceof ApprovalError) throw error;
    failures.push(`installing into ${cache}: ${messageOf(error)}`);
    throw noneFound(failures, cache);
  }
}

async function install(cache: string, base: Omit<InstallStep, "folder">, failures: string[]): Promise<DevServerBinary> {
  const steps = [
    { source: "download", title: "the Temporal SDK's download", run: download },
    { source: "go", title: `\`go install ${GO_PACKAGE}\``, run: goInstall },
  ] as const;
  for (const { source, title, run } of steps) {
    const folder = mkdtempSync(join(cache, UNDER_WAY));
    try {
      const file = await run({ ...base, folder });
      chmodSync(file, 0o755);
      const problem = await problemOfBinary(file, base.env, base.signal);
      if (problem !== undefined) throw new Error(problem);
      const path = join(cache, "temporal");
      renameSync(file, path);
      base.onProgress(`the Temporal dev server is installed: ${path}`);
      return { path, source };
    } catch (error) {
      base.signal?.throwIfAborted();
      failures.push(`${title}: ${messageOf(error)}`);
      base.onProgress(`${title} did not work (${messageOf(error)})`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw noneFound(failures, cache);
}

/** What killed installations left behind. Only the holder of the lock may call this. */
function removeLeftovers(cache: string): void {
  for (const name of readdirSync(cache)) {
    if (name.startsWith(UNDER_WAY)) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

function noneFound(failures: readonly string[], cache: string): ApprovalError {
  const lines = [
    "no Temporal dev server could be found or installed. Tried, in this order:",
    ...failures.map((failure, index) => `  ${index + 1}. ${failure}`),
    "Any one of these helps:",
    "  - install the Temporal CLI (https://docs.temporal.io/cli), so that `temporal` is on PATH",
    "  - set TEMPORAL_CLI to the path of a `temporal` binary",
    `  - copy a \`temporal\` binary to ${join(cache, "temporal")}`,
    "  - let this machine reach temporal.download, by HTTPS_PROXY where there is a proxy",
    "  - install Go, and let it reach its module proxy",
  ];
  return new ApprovalError("ERR_DEV_SERVER", lines.join("\n"));
}
