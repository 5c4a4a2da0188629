import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

/** Environment variables as a value: nothing in this folder reads the process's own. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ToolOptions {
  readonly env: Environment;
  readonly cwd?: string;
  /** Milliseconds after which the tool is killed. */
  readonly limitMs: number;
  /** Called about once a second with the milliseconds since the start; a text ends the tool, and is the reason reported. */
  readonly onTick?: (elapsedMs: number) => string | undefined;
  /** True: a process group of its own, killed whole, with a channel by whose closing it learns that we are gone. */
  readonly ownGroup?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface ToolRun {
  readonly ok: boolean;
  /** The last 8 KiB of stdout and stderr together. */
  readonly output: string;
  /** How it ended, for people: "exit code 1", "stopped after 60 s". */
  readonly ended: string;
}

const OUTPUT_CHARACTERS = 8 * 1024;
const TICK_MS = 1_000;

/** Runs a program to its end. Whatever the program does is in the answer; throws only the signal's reason. */
export async function runTool(file: string, args: readonly string[], options: ToolOptions): Promise<ToolRun> {
  options.signal?.throwIfAborted();
  const started = Date.now();
  const child = spawn(file, args, {
    env: options.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    detached: options.ownGroup === true,
    stdio: options.ownGroup === true ? ["ignore", "pipe", "pipe", "ipc"] : ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let stoppedBecause: string | undefined;
  const stop = (reason: string) => {
    stoppedBecause ??= reason;
    try {
      if (options.ownGroup === true && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      else child.kill("SIGKILL");
    } catch {
      // It ended in this very moment.
    }
  };
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString("utf8")).slice(-OUTPUT_CHARACTERS);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);

  const ticker = setInterval(() => {
    const elapsedMs = Date.now() - started;
    const reason = options.onTick?.(elapsedMs);
    if (reason !== undefined) stop(reason);
    else if (elapsedMs >= options.limitMs) stop(`stopped after ${Math.round(options.limitMs / 1000)} s`);
  }, TICK_MS);
  const abort = () => stop("aborted");
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const ended = await new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, by) => resolve(code === null ? `ended by ${by}` : `exit code ${code}`));
    });
    // A grandchild may hold the pipes open, so that "close" never comes.
    await Promise.race([closed, delay(500, undefined, { ref: false })]);
    options.signal?.throwIfAborted();
    return { ok: ended === "exit code 0", output, ended: stoppedBecause ?? ended };
  } finally {
    clearInterval(ticker);
    options.signal?.removeEventListener("abort", abort);
    child.stdout?.destroy();
    child.stderr?.destroy();
    if (child.connected) child.disconnect();
  }
}
