/** Where a Temporal CLI may be already: named by the environment, on PATH, in our cache. */
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { runTool } from "./run-tool.ts";
import type { Environment } from "./run-tool.ts";

/** `${XDG_CACHE_HOME:-~/.cache}/countersign`. A relative XDG_CACHE_HOME is ignored (XDG Base Directory Specification). */
export function cacheFolder(env: Environment): string {
  const xdg = env["XDG_CACHE_HOME"];
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(env["HOME"] || homedir(), ".cache");
  return join(base, "countersign");
}

/** Executable files of this name in the folders of PATH, in PATH's order. */
export function onPath(name: string, env: Environment): readonly string[] {
  return (env["PATH"] ?? "")
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, name))
    .filter(isExecutable);
}

/** Executable files named `temporal`, at most two folders below the cache folder; the nearest first. */
export function inCache(folder: string): readonly string[] {
  const found: string[] = [];
  let level = [folder];
  for (let depth = 0; depth <= 2; depth++) {
    found.push(...level.map((each) => join(each, "temporal")).filter(isExecutable));
    level = level.flatMap(foldersIn);
  }
  return found;
}

/** Why this file cannot serve as the Temporal CLI, learnt by running `--version`; `undefined` where it can. */
export async function problemOfBinary(
  path: string,
  env: Environment,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const run = await runTool(path, ["--version"], { env, limitMs: 20_000, signal });
  if (run.ok && /^temporal version /m.test(run.output)) return undefined;
  const said = run.output.trim().split("\n", 1)[0] ?? "";
  return `\`${path} --version\`: ${run.ended}${said === "" ? "" : `, ${said.slice(0, 200)}`}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function foldersIn(folder: string): string[] {
  try {
    return (
      readdirSync(folder, { withFileTypes: true })
        // A dot marks an installation that is still under way.
        .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
        .map((entry) => join(folder, entry.name))
        .toSorted()
    );
  } catch {
    return [];
  }
}
