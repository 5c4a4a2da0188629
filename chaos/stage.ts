/** One platform, one workspace and one client of a row, with their parts as processes; a driver that keeps book; and the checker at the end. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Approvals } from "../src/client/approvals.ts";
import type { ApprovalHandle } from "../src/client/handle.ts";
import { ApprovalError } from "../src/domain/errors.ts";
import { approvalWorkflowId } from "../src/domain/names.ts";
import type { ApprovalResult, Status } from "../src/domain/outcome.ts";
import { untilEvent } from "../test/support/history.ts";
import type { PlatformApproval } from "../test/support/platform-store.ts";
import { startProcess, type PartProcess, type ProcessOptions } from "../test/support/processes.ts";
import type { Stack } from "../test/support/stack.ts";
import { until } from "../test/support/until.ts";
import { violations, type Violation } from "./checker.ts";
import { gather } from "./evidence.ts";
import {
  isOfUnstarted,
  settled,
  type Attempt,
  type Book,
  type Evidence,
  type Settled,
  type Spell,
  type Told,
} from "./witness.ts";

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
  /**
   * One try of a client to start a request. Where it fails it is unknown whether the request stands in Temporal; a second try with
   * the same id is of the same request.
   */
  attempt(
    approvals: Pick<Approvals, "start">,
    action: string,
    options: Required<AskOptions>,
  ): Promise<Omit<Asked, "approval"> | undefined>;
  /** Until its approval stands on the platform. */
  ask(action: string, options?: AskOptions): Promise<Asked>;
  /** Until its timer runs. */
  askAndWait(action: string, options?: AskOptions): Promise<Asked>;
  /** A person decides. False where somebody was first. */
  decide(asked: Asked | string, decision?: "approved" | "denied", options?: DecideOptions): boolean;
  /** A person has tried to decide by other means than `decide`. */
  tried(attempt: Attempt): void;
  /** From now on every withdrawal, and every time at which config.yaml or the list is spoilt, is noted here: nothing else may explain an outcome. */
  keepBook(): OpenBook;
  /** People decide over HTTP, with this token. */
  people(token: string): void;
  /** What stands on the platform is read so, because it is not the stack's own. */
  standsOn(read: () => Promise<readonly PlatformApproval[]>): void;
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
  /** I1 to I5 as far as they can be judged now, and how unknown results turned out. */
  judge(): Promise<Judgement>;
  /** I1 to I5, and that no process broke. Called at the end of every row by itself. */
  check(): Promise<void>;
}

export interface Judgement {
  readonly evidence: Evidence;
  readonly found: readonly Violation[];
  readonly settled: Settled;
}

/** A book while it is written. */
export interface OpenBook extends Book {
  readonly withdrawals: Set<string>;
  readonly config_broken: Spell[];
  readonly list_capped: Spell[];
}

interface DecideOptions {
  readonly by?: string;
  readonly silent?: boolean;
  readonly decidedAt?: Date;
}

/** What a stage needs of its field. */
export interface Ground {
  /** Fires when the row is over. */
  readonly signal: AbortSignal;
  after(clean: () => Promise<unknown>): void;
}

interface AskedOnce {
  readonly workflow_id: string;
  started_ms: number;
  readonly first_ms?: number;
  readonly timeout_seconds: number;
  readonly results: Told[];
  start?: "unknown" | "late";
}

const newEntry = (workflow_id: string, timeout_seconds: number): AskedOnce => ({
  workflow_id,
  started_ms: Date.now(),
  first_ms: Date.now(),
  timeout_seconds,
  results: [],
  start: "unknown",
});

export function newStage(field: Ground, stack: Stack): Stage {
  const asked: AskedOnce[] = [];
  const attempts: Attempt[] = [];
  const parts: { name: string; process: PartProcess }[] = [];
  const secrets: string[] = [];
  let [up_ms, grace_ms, trail_is_whole] = [0, 30_000, true];
  let book: OpenBook | undefined;
  let people_token: string | undefined;
  let standing: (() => Promise<readonly PlatformApproval[]>) | undefined;

  const listen = (handle: ApprovalHandle, results: Told[]): Promise<ApprovalResult> => {
    const result = handle.result({ signal: field.signal });
    result.then(
      (told) => results.push(told as unknown as Told),
      () => {},
    );
    return result;
  };

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
      return { handle, result: listen(handle, results) };
    },
    async attempt(approvals, action, { timeoutSeconds, requestId }) {
      const workflow_id = approvalWorkflowId(stack.workspaceId, requestId);
      const before = asked.find((one) => one.workflow_id === workflow_id);
      const entry = before ?? newEntry(workflow_id, timeoutSeconds);
      if (before === undefined) asked.push(entry);
      entry.started_ms = Date.now();
      const handle = await approvals.start(action, "because", { timeoutSeconds, requestId }).catch((error: unknown) => {
        // Misuse is known; anything else leaves it open.
        if (error instanceof ApprovalError) throw error;
        return undefined;
      });
      if (handle === undefined) return undefined;
      const result = listen(handle, entry.results);
      // A client that could not start it has its answer already; any other must ask Temporal first.
      const said = await Promise.race([result, delay(0)]);
      if (said !== undefined && isOfUnstarted({ ...said })) return undefined;
      if (before === undefined) delete entry.start;
      else entry.start = "late";
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
      const sent_ms = Date.now();
      const first = stack.platform.decide(id, decision, by, {
        silent,
        ...(decidedAt === undefined ? {} : { decidedAt }),
      });
      attempts.push({ approval_id: id, decision, by, sent_ms, known: first ? "taken" : "refused" });
      return first;
    },
    tried(attempt) {
      attempts.push(attempt);
    },
    keepBook() {
      book ??= { withdrawals: new Set(), config_broken: [], list_capped: [] };
      return book;
    },
    people(token) {
      people_token = token;
      secrets.push(token);
    },
    standsOn(read) {
      standing = read;
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
    async judge() {
      const outputs = parts.map(({ name, process }) => ({ from: name, text: process.stderr() }));
      const notes = { asked, attempts, book, people_token, standing };
      const evidence = await gather(stack, { ...notes, up_ms, grace_ms, trail_is_whole, secrets, outputs });
      return { evidence, found: violations(evidence), settled: settled(evidence) };
    },
    async check() {
      for (const { name, process } of parts) assert.equal(process.breakdown(), undefined, `the ${name} broke`);
      const { found } = await stage.judge();
      const lines = found.map(({ invariant, workflow_id, text }) => `${invariant} ${workflow_id}: ${text}`);
      assert.equal(found.length, 0, `\n${lines.slice(0, 10).join("\n")}`);
    },
  };
  return stage;
}
