/** Worker and bridge as processes of their own, from the compiled command, to be killed by their pid. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { guard } from "../../src/dev-server/guard.ts";
import { until } from "./until.ts";

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface PartProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** What it said last, where it broke: it ended, nobody had told it to, and not with a code of ours for what it could not do. */
  breakdown(): string | undefined;
  /** All that it wrote to stderr: its first line, then its log. */
  stderr(): string;
  /** Sends a signal, to this process alone. */
  send(signal: NodeJS.Signals): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Waits until it takes tasks. */
  ready(): Promise<void>;
}

export interface ProcessOptions {
  /** Whose process it is: a user id, and the group id of the same number. Ours by default; another needs root. */
  readonly userId?: number;
  /** The URL of a compiled `src/cli/main.js`. By default the one beside this file, so that what runs was built together with the test. */
  readonly main?: string;
}

const MAIN = new URL("../../src/cli/main.js", import.meta.url).href;

/** Whatever can be told to clean up when it ends: a test, or a row of the fault suite. */
interface Scope {
  after(clean: () => Promise<unknown>): void;
}

/** Starts `countersign <name>`. It is killed when the test ends, or when this process does. */
export function startProcess(
  t: Scope,
  name: "worker" | "bridge",
  env: NodeJS.ProcessEnv,
  { userId, main = MAIN }: ProcessOptions = {},
): PartProcess {
  const run = `const { main } = await import(${JSON.stringify(main)}); process.exitCode = await main(process.argv.slice(1));`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", run, name], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
    ...(userId === undefined ? {} : { uid: userId, gid: userId }),
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`countersign ${name} could not be started`);
  const release = guard(pid);
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  let [ended, told, refused] = [false, false, false];
  const exited = (once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>).then(([code, signal]) => {
    ended = true;
    refused = code === EXIT.misuse || code === EXIT.failure;
    release();
    return { code, signal };
  });
  const one: PartProcess = {
    pid,
    exited,
    stderr: () => text,
    breakdown: () => (ended && !told && !refused ? text.slice(-2_000) : undefined),
    send: (signal) => {
      if (ended) return;
      if (signal !== "SIGSTOP" && signal !== "SIGCONT") told = true;
      process.kill(pid, signal);
    },
    async kill() {
      one.send("SIGKILL");
      await exited;
    },
    async ready() {
      await until(`countersign ${name} is ready; it said: ${text}`, () => {
        if (ended) throw new Error(`countersign ${name} ended at its start: ${text}`);
        return text.includes(`the ${name} is ready`);
      });
    },
  };
  t.after(() => one.kill());
  return one;
}
