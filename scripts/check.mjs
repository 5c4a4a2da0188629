// Static checks only: nothing here runs our code.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { SetupError, prepareBuild, root, say } from "./prepare.mjs";

const folders = ["src", "test", "bench", "chaos", "examples", "scripts", "bin"].filter((name) =>
  existsSync(join(root, name)),
);

const STEPS = [
  { name: "format", tool: "oxfmt", args: ["--check", "."] },
  { name: "lint", tool: "oxlint", args: ["--type-aware", "--deny-warnings", ...folders] },
  { name: "types", tool: "tsc", args: ["--noEmit"] },
  { name: "types of the workflow sandbox", tool: "tsc", args: ["-p", "src/workflows"] },
  { name: "types of the inbox's page", tool: "tsc", args: ["-p", "src/inbox/page", "--noEmit"] },
  { name: "dead code", tool: "knip", args: ["--no-progress"] },
  { name: "package", tool: "publint", args: ["--strict"] },
  { name: "package types", tool: "attw", args: ["--pack", ".", "--profile", "esm-only", "--no-emoji"] },
];

/** Runs every step, prints the output of those that fail, and answers the exit code. */
export async function check() {
  let failed = 0;
  try {
    // The package checks look at what is built.
    await prepareBuild();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say("FAILED build: see the types below");
    failed++;
  }
  for (const { name, tool, args } of STEPS) {
    const started = Date.now();
    const { status, error, stdout, stderr } = spawnSync(join(root, "node_modules", ".bin", tool), args, {
      cwd: root,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
      shell: process.platform === "win32",
    });
    const ok = status === 0;
    say(`${ok ? "ok    " : "FAILED"} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    if (ok) continue;
    failed++;
    say(`${error?.message ?? ""}${stdout ?? ""}${stderr ?? ""}`.trimEnd());
  }
  say(failed === 0 ? "check: all is well" : `check: ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
