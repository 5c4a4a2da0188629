/** Where one row is played: its stages, its folders and its own Temporal servers, all gone when it ends. */
import { setMaxListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack, type StackOptions } from "../test/support/stack.ts";
import { ownTemporal, type OwnTemporal } from "../test/support/temporal.ts";
import { newStage, type Stage } from "./stage.ts";

export type { OwnTemporal } from "../test/support/temporal.ts";
export type { Asked, AskOptions, OpenBook, Stage } from "./stage.ts";

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
    return await ownTemporal(this);
  }

  async checkAll(): Promise<void> {
    for (const stage of this.#stages) await stage.check();
  }

  async end(): Promise<void> {
    this.#ender.abort(new Error("the row is over"));
    for (const clean of this.#cleanups) await clean().catch(() => undefined);
  }
}
