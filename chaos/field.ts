/** Where one row is played: stacks with their parts as processes to be killed, a driver that keeps book, and the checker at the end. */
import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ApprovalHandle } from "../src/client/handle.ts";
import { freePort } from "../src/dev-server/free-port.ts";
import type { DevServer } from "../src/dev-server/start.ts";
import type { ApprovalResult, Status } from "../src/domain/outcome.ts";
import { untilEvent } from "../test/support/history.ts";
import type { PlatformApproval } from "../test/support/platform-store.ts";
import { startProcess, type PartProcess, type ProcessOptions } from "../test/support/processes.ts";
import { startStack, type Stack, type StackOptions } from "../test/support/stack.ts";
import { startOwnServer } from "../test/support/temporal.ts";
import { until } from "../test/support/until.ts";
import { violations, type Told } from "./checker.ts";
import { gather } from "./evidence.ts";

const PATIENCE_MS = 120_000;

export interface Asked {
  readonly handle: ApprovalHandle;
  readonly approval: PlatformApproval;
  readonly result: Promise<ApprovalResult>;
}

export interface AskOptions {
  /** Default 60. */
  readonly timeoutSeconds?: number;
  readonly requestId?: string;
}

export interface Stage {
  readonly stack: Stack;
  /** `countersign worker` or `bridge` as a process of its own. */
  process(name: "worker" | "bridge", env?: NodeJS.ProcessEnv, options?: ProcessOptions): PartProcess;
  /** Starts a request without waiting for anything more. */
  start(action: string, options?: AskOptions): Promise<Omit<Asked, "approval">>;
  /** Until its approval stands on the platform. */
  ask(action: string, options?: AskOptions): Promise<Asked>;
  /** Until its timer runs. */
  askAndWait(action: string, options?: AskOptions): Promise<Asked>;
  /** A person decides. False where somebody was first. */
  decide(asked: Asked | string, decision?: "approved" | "denied", options?: DecideOptions): boolean;
  /** The result, which must have this status. */
  ends(asked: Pick<Asked, "result">, status: Status): Promise<ApprovalResult>;
  /** Decides and waits for the grant. */
  grants(asked: Asked): Promise<ApprovalResult>;
  /** Everything is up again from now on: requests that were due meanwhile may take their time from here. */
  up(): void;
  /** How long after its deadline a request may end. Default 30,000. */
  allow(graceMs: number): void;
  /** Records were taken away from outside: the trail is not judged. */
  trailIsBroken(): void;
  /** A text that must appear nowhere. */
  secret(text: string): void;
  /** A request that somebody else started. */
  expect(workflowId: string, timeoutSeconds: number, startedMs?: number): void;
  /** I1 to I5. Called at the end of every row by itself. */
  check(): Promise<void>;
}

interface DecideOptions {
  readonly by?: string;
  readonly silent?: boolean;
  readonly decidedAt?: Date;
}

export interface OwnTemporal {
  readonly address: string;
  kill(): Promise<void>;
  /** On its port and database file. */
  start(): Promise<void>;
}

export class Field {
  readonly seed: number;
  readonly long: boolean;
  /** Fires when the row is over, however it ended. */
  readonly signal: AbortSignal;
  readonly #ender = new AbortController();
  readonly #cleanups: (() => Promise<unknown>)[] = [];
  readonly #stages: Stage[] = [];

  constructor(seed: number, long: boolean) {
    this.seed = seed;
    this.long = long;
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
    return { address: `127.0.0.1:${port}`, start, kill: async () => await server?.kill() };
  }

  async checkAll(): Promise<void> {
    for (const stage of this.#stages) await stage.check();
  }

  async end(): Promise<void> {
    this.#ender.abort(new Error("the row is over"));
    for (const clean of this.#cleanups) await clean().catch(() => undefined);
  }
}

function newStage(field: Field, stack: Stack): Stage {
  const asked: { workflow_id: string; started_ms: number; timeout_seconds: number; results: Told[] }[] = [];
  const decided = new Map<string, number>();
  const parts: { name: string; process: PartProcess }[] = [];
  const secrets: string[] = [];
  let [up_ms, grace_ms, trail_is_whole] = [0, 30_000, true];

  const stage: Stage = {
    stack,
    process(name, env = {}, options = {}) {
      const process = startProcess(field, name, { ...stack.env, ...env }, options);
      parts.push({ name, process });
      return process;
    },
    async start(action, { timeoutSeconds = 60, requestId } = {}) {
      const started_ms = Date.now();
      const id = requestId === undefined ? {} : { requestId };
      const handle = await stack.approvals.start(action, "because", { timeoutSeconds, ...id });
      const results: Told[] = [];
      asked.push({ workflow_id: handle.workflowId, started_ms, timeout_seconds: timeoutSeconds, results });
      const result = handle.result({ signal: field.signal });
      result.then(
        (told) => results.push(told as unknown as Told),
        () => {},
      );
      return { handle, result };
    },
    async ask(action, options) {
      const started = await stage.start(action, options);
      const { workflowId } = started.handle;
      // A request's creation may be the third in a row of things that die: the row's own limit is limit enough.
      const own = () =>
        stack.platform.approvals(stack.workspaceId).find((one) => one.task_id.startsWith(`${workflowId}#`));
      const approval = await until(`the approval of ${workflowId}`, own, PATIENCE_MS);
      return { ...started, approval };
    },
    async askAndWait(action, options) {
      const one = await stage.ask(action, options);
      await untilEvent(stack.temporal, one.handle.workflowId, "timerStartedEventAttributes", PATIENCE_MS);
      return one;
    },
    decide(one, decision = "approved", { by = "ana", silent = false, decidedAt } = {}) {
      const id = typeof one === "string" ? one : one.approval.id;
      const now = Date.now();
      const first = stack.platform.decide(id, decision, by, {
        silent,
        ...(decidedAt === undefined ? {} : { decidedAt }),
      });
      if (first) decided.set(id, now);
      return first;
    },
    async ends({ result }, status) {
      const told = await result;
      assert.equal(told.status, status, JSON.stringify(told));
      return told;
    },
    async grants(one) {
      assert.ok(stage.decide(one), "the decision was taken");
      return await stage.ends(one, "approved");
    },
    up() {
      up_ms = Date.now();
    },
    allow(ms) {
      grace_ms = ms;
    },
    trailIsBroken() {
      trail_is_whole = false;
    },
    secret(text) {
      secrets.push(text);
    },
    expect(workflow_id, timeout_seconds, started_ms = Date.now()) {
      asked.push({ workflow_id, started_ms, timeout_seconds, results: [] });
    },
    async check() {
      const outputs = parts.map(({ name, process }) => ({ from: name, text: process.stderr() }));
      const ledger = { asked, decided, up_ms, grace_ms, trail_is_whole, secrets, outputs };
      const found = violations(await gather(stack, ledger));
      const lines = found.map(({ invariant, workflow_id, text }) => `${invariant} ${workflow_id}: ${text}`);
      assert.equal(found.length, 0, `\n${lines.slice(0, 10).join("\n")}`);
    },
  };
  return stage;
}
