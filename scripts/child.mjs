import { spawn } from "node:child_process";
import { constants } from "node:os";
import { root } from "./prepare.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
/** On a terminal, Ctrl-C comes from the terminal and once more from npm, milliseconds apart. */
const SAME_SIGNAL_MS = 500;

/**
 * Runs Node on a script and answers its exit code (128 + n after signal n). The child has a process group of its own and gets
 * each signal once, through us: a second Ctrl-C means "at once", so that a doubled first one would cut its shutdown short.
 */
export async function runChild(args, env = process.env) {
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: "inherit", detached: true });
  let passedAt = 0;
  const pass = (signal) => {
    if (Date.now() - passedAt < SAME_SIGNAL_MS) return;
    passedAt = Date.now();
    child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, pass);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
    });
  } finally {
    for (const signal of SIGNALS) process.off(signal, pass);
  }
}
