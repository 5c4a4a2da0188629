/** The command `countersign` as a process of its own, from the sources compiled together with the test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { until } from "./until.ts";

export interface Command {
  readonly pid: number;
  /** The exit code; 128 + n after signal n is left to shells, here a signal gives its name. */
  readonly ended: Promise<number | NodeJS.Signals>;
  stdout(): string;
  stderr(): string;
  send(signal: NodeJS.Signals): void;
  /** Waits until stderr matches, and answers the match. Rejects where the process ends before. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
}

/** A test's context, or what stands for it in a hook. */
export interface Owner {
  after(cleanUp: () => unknown): void;
}

export interface CommandOptions {
  /** The whole environment beside PATH and HOME. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

const MAIN = new URL("../../src/cli/main.js", import.meta.url).href;
const RUN = `const { main } = await import(${JSON.stringify(MAIN)}); process.exitCode = await main(process.argv.slice(1));`;

/** `countersign <args…>`; killed when its owner ends. */
export function startCommand(t: Owner, args: readonly string[], options: CommandOptions = {}): Command {
  return startScript(t, RUN, args, options);
}

/** Node on the text of a module; killed when its owner ends. */
export function startScript(
  t: Owner,
  script: string,
  args: readonly string[],
  { env, cwd }: CommandOptions = {},
): Command {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script, "--", ...args], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("node could not be started");
  const text = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text.stderr += chunk));
  let over = false;
  // "close" and not "exit": by then all output has been read.
  const ended = (once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>).then(([code, signal]) => {
    over = true;
    return code ?? signal ?? -1;
  });
  const send = (signal: NodeJS.Signals): void => {
    if (!over) child.kill(signal);
  };
  t.after(async () => {
    send("SIGKILL");
    await ended;
  });
  return {
    pid,
    ended,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    send,
    said: (pattern) =>
      until(`${pattern} on stderr`, () => {
        const match = pattern.exec(text.stderr);
        if (match === null && over) throw new Error(`it ended without saying ${pattern}: ${text.stderr}`);
        return match ?? undefined;
      }),
  };
}

/** The living processes below this one, by /proc. */
export function descendantsOf(pid: number): readonly number[] {
  const parents = new Map(processes().map((one) => [one.pid, one.parent]));
  const found = new Set([pid]);
  for (let before = 0; before !== found.size;) {
    before = found.size;
    for (const [child, parent] of parents) if (found.has(parent)) found.add(child);
  }
  found.delete(pid);
  return [...found];
}

/** Waits until none of these processes lives. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  await until(`the end of the processes ${pids.join(", ")}`, () => {
    const living = new Set(processes().map(({ pid }) => pid));
    return !pids.some((pid) => living.has(pid));
  });
}

function processes(): readonly { readonly pid: number; readonly parent: number }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        // proc_pid_stat(5): after the name in parentheses come the state and the parent.
        const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return state === "Z" ? [] : [{ pid: Number(name), parent: Number(parent) }];
      } catch {
        return [];
      }
    });
}
