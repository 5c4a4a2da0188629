/** Where one row is played: its stages, its folders and its own Temporal servers, all gone when it ends. */
import { setMaxListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../src/dev-server/free-port.ts";
import type { DevServer } from "../src/dev-server/start.ts";
import { startStack, type StackOptions } from "../test/support/stack.ts";
import { startOwnServer } from "../test/support/temporal.ts";
import { newStage, type Stage } from "./stage.ts";

export type { Asked, AskOptions, OpenBook, Stage } from "./stage.ts";

export interface OwnTemporal {
  readonly address: string;
  /** Sends a signal to the server's process. */
  send(signal: NodeJS.Signals): void;
  kill(): Promise<void>;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
  /** On its port and database file. */
  start(): Promise<void>;
}

export class Field {
  readonly seed: number;
  /** Fires when the row is over, however it ended. */
  readonly signal: AbortSignal;
  readonly #ender = new AbortController();
  readonly #cleanups: (() => Promise<unknown>)[] = [];
  readonly #stages: Stage[] = [];

  constructor(seed: number) {
    this.seed = seed;
    this.signal = this.#ender.signal;
    // Every caller of a row listens to it.
    setMaxListeners(0, this.signal);
  }

  after(clean: () => Promise<unknown>): void {
    this.#cleanups.unshift(clean);
  }

  /** A platform, a workspace, a client; no worker and no bridge unless asked for, which then are processes of their own. */
  async stage(options: StackOptions = {}): Promise<Stage> {
    const stack = await startStack({ ...options, worker: false, bridge: false });
    this.after(() => stack.stop());
    const stage = newStage(this, stack);
    this.#stages.push(stage);
    for (const name of ["worker", "bridge"] as const) if (options[name] === true) stage.process(name);
    return stage;
  }

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "countersign-chaos-"));
    this.after(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  /** A Temporal server of this row's own, on a database file. */
  async temporal(): Promise<OwnTemporal> {
    const folder = await this.folder();
    const port = await freePort();
    let server: DevServer | undefined;
    const start = async () => {
      server = await startOwnServer(join(folder, "temporal.db"), { port });
    };
    await start();
    this.after(async () => await server?.kill());
    return {
      address: `127.0.0.1:${port}`,
      start,
      send: (signal) => void (server !== undefined && process.kill(server.pid, signal)),
      kill: async () => await server?.kill(),
      stop: async () => await server?.stop(),
    };
  }

  async checkAll(): Promise<void> {
    for (const stage of this.#stages) await stage.check();
  }

  async end(): Promise<void> {
    this.#ender.abort(new Error("the row is over"));
    for (const clean of this.#cleanups) await clean().catch(() => undefined);
  }
}
