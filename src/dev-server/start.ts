import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import type { WriteStream } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { ApprovalError } from "../domain/errors.ts";
import { freePort, isFree } from "./free-port.ts";
import { guard } from "./guard.ts";
import { answers } from "./answers.ts";

export interface DevServerOptions {
  /** The Temporal CLI; see `resolveDevServer`. */
  readonly binary: string;
  /** The frontend's port on 127.0.0.1. Default: any free one. */
  readonly port?: number;
  /** The web UI's port on 127.0.0.1. Default: no web UI. */
  readonly uiPort?: number;
  /** SQLite file that keeps everything over a restart. Default: in memory. */
  readonly dbFile?: string;
  /** Made at the start beside `default`. Default: `default`. */
  readonly namespace?: string;
  /** Further arguments of `temporal server start-dev`. */
  readonly extraArgs?: readonly string[];
  /** The server's own output is appended here. Default: only its last 4 KiB are kept, for error texts. */
  readonly logFile?: string;
}

export interface DevServer {
  /** `127.0.0.1:<port>` */
  readonly address: string;
  readonly port: number;
  readonly uiUrl?: string;
  readonly pid: number;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** SIGTERM, and SIGKILL 10 s later; resolves when the process has ended. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when the process has ended. */
  kill(): Promise<void>;
}

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const PORT_ATTEMPTS = 5;
const OUTPUT_CHARACTERS = 4 * 1024;

/**
 * Starts `temporal server start-dev` on 127.0.0.1 and waits until its frontend answers, at most 30 s.
 * It may be started again on the same port and database file, also after `kill`.
 * The server has a process group of its own, so that Ctrl-C on a terminal reaches us and not it, and it ends when this
 * process does, however that ends. Throws ERR_DEV_SERVER with the end of the server's output.
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    for (const fixed of [options.port, options.uiPort]) {
      if (fixed === undefined || (await isFree(fixed))) continue;
      throw new ApprovalError(
        "ERR_DEV_SERVER",
        `starting the Temporal dev server: port ${fixed} of 127.0.0.1 is in use; end what listens there or choose another port`,
      );
    }
    const process = launch(options, port);
    const problem = await readyProblem(process, options.namespace ?? "default");
    if (problem === undefined) return process.server;
    await process.server.kill();
    // Another process took the free port between the look and the start.
    const race = options.port === undefined && /address already in use/i.test(process.output());
    if (race && attempt < PORT_ATTEMPTS) continue;
    throw new ApprovalError(
      "ERR_DEV_SERVER",
      `starting the Temporal dev server (${options.binary}) on 127.0.0.1:${port}: ${problem}; its output ends with: ${
        process.output().trim().slice(-1_000) || "(nothing)"
      }`,
    );
  }
}

interface Launched {
  readonly server: DevServer;
  readonly isRunning: () => boolean;
  readonly output: () => string;
}

function launch(options: DevServerOptions, port: number): Launched {
  const args = ["server", "start-dev", "--ip", "127.0.0.1", "--port", String(port), "--log-level", "warn"];
  args.push(...(options.uiPort === undefined ? ["--headless"] : ["--ui-port", String(options.uiPort)]));
  if (options.namespace !== undefined) args.push("--namespace", options.namespace);
  if (options.dbFile !== undefined) args.push("--db-filename", options.dbFile);
  args.push(...(options.extraArgs ?? []));

  const child = spawn(options.binary, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  const log =
    options.logFile === undefined ? undefined : createWriteStream(options.logFile, { flags: "a", mode: 0o600 });
  const output = collect(child, log);
  let running = child.pid !== undefined;
  const exited = new Promise<void>((resolve) => {
    const ended = () => {
      running = false;
      log?.end();
      resolve();
    };
    child.once("error", (error) => {
      output.add(error.message);
      ended();
    });
    child.once("exit", ended);
  });
  const release = child.pid === undefined ? () => {} : guard(child.pid);
  void exited.then(release);
  // The guard ends it with us; until then it must not keep an otherwise finished process alive.
  child.unref();

  const end = async (signal: NodeJS.Signals) => {
    if (!running) return await exited;
    child.ref();
    child.kill(signal);
    const limit = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
    await exited;
    clearTimeout(limit);
  };
  return {
    isRunning: () => running,
    output: output.text,
    server: {
      address: `127.0.0.1:${port}`,
      port,
      ...(options.uiPort === undefined ? {} : { uiUrl: `http://127.0.0.1:${options.uiPort}` }),
      pid: child.pid ?? 0,
      exited,
      stop: () => end("SIGTERM"),
      kill: () => end("SIGKILL"),
    },
  };
}

function collect(
  child: ChildProcess,
  log: WriteStream | undefined,
): { text: () => string; add: (text: string) => void } {
  let text = "";
  const add = (more: string) => {
    text = (text + more).slice(-OUTPUT_CHARACTERS);
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      add(chunk.toString("utf8"));
      log?.write(chunk);
    });
    // A pipe to the server must not keep this process alive either.
    (stream as { unref?: () => void } | null)?.unref?.();
  }
  // A log that cannot be written is no reason to lose the server.
  log?.on("error", (error) => add(`\n${error.message}`));
  return { text: () => text, add };
}

async function readyProblem(process: Launched, namespace: string): Promise<string | undefined> {
  const deadline = Date.now() + START_LIMIT_MS;
  let last = "";
  while (Date.now() < deadline) {
    if (!process.isRunning()) return "it ended at once";
    const problem = await answers(process.server.address, namespace);
    // Asked again after the answer: where our server lost the port to another one, that one answered.
    if (problem === undefined) return process.isRunning() ? undefined : "it ended at once";
    last = problem;
    await delay(50);
  }
  return `no answer within ${START_LIMIT_MS / 1000} s (${last})`;
}
