/** Row 54: everything at once, by a seed. The driver only remembers what it did; the checker says afterwards what had to hold. */
import { setTimeout as delay } from "node:timers/promises";
import { DECIDED_SIGNAL } from "../../src/domain/names.ts";
import type { Fault, FaultAnswer } from "../../test/support/platform-faults.ts";
import type { PartProcess } from "../../test/support/processes.ts";
import type { Field, OwnTemporal, Stage } from "../field.ts";
import { randomFrom, type Random } from "../random.ts";
import type { Figures, Row } from "../row.ts";

interface Plan {
  readonly seconds: number;
  readonly requests: number;
}

interface Scene {
  readonly stage: Stage;
  readonly temporal: OwnTemporal;
  readonly random: Random;
  readonly parts: Map<"worker" | "bridge", PartProcess>;
}

type Mischief = (scene: Scene) => Promise<void>;

const seconds = (random: Random, most: number) => 200 + random.below(most * 1_000);

const killPart =
  (name: "worker" | "bridge"): Mischief =>
  async ({ stage, random, parts }) => {
    await parts.get(name)?.kill();
    await delay(seconds(random, 3));
    parts.set(name, stage.process(name));
  };

const freezePart =
  (name: "worker" | "bridge"): Mischief =>
  async ({ random, parts }) => {
    const part = parts.get(name);
    part?.send("SIGSTOP");
    await delay(seconds(random, 6));
    part?.send("SIGCONT");
  };

async function whileFault({ stage, random }: Scene, method: string, answer: FaultAnswer): Promise<void> {
  const when = random.below(2) === 0 ? "before" : "after";
  const fault: Fault = stage.stack.platform.fault({ method, path: /\/approvals/, when, answer });
  await delay(seconds(random, 3));
  fault.remove();
}

const ANSWERS: readonly FaultAnswer[] = [
  "reset",
  { status: 500 },
  { status: 503 },
  { status: 429, headers: { "Retry-After": "1" } },
  { status: 200, headers: { "content-type": "text/html" }, body: "<!doctype html>" },
  { delayMs: 800 },
];

const MISCHIEF: { readonly [name: string]: Mischief } = {
  "worker killed": killPart("worker"),
  "bridge killed": killPart("bridge"),
  "worker frozen": freezePart("worker"),
  "bridge frozen": freezePart("bridge"),
  "Temporal killed": async ({ stage, temporal, random }) => {
    await temporal.kill();
    await delay(seconds(random, 3));
    await temporal.start();
    stage.up();
  },
  "platform down": async ({ stage, random }) => {
    await stage.stack.platform.stop({ keepState: true });
    await delay(seconds(random, 3));
    await stage.stack.platform.start();
  },
  "creations spoilt": (scene) => whileFault(scene, "POST", scene.random.oneOf(ANSWERS)),
  "lists spoilt": (scene) => whileFault(scene, "GET", scene.random.oneOf(ANSWERS)),
  "sockets dropped": async ({ stage }) => stage.stack.platform.dropSockets(),
  "sockets half-open": async ({ stage }) => stage.stack.platform.freezeSockets(),
  "events lost": async ({ stage, random }) => {
    stage.stack.platform.eventsOff = true;
    await delay(seconds(random, 4));
    stage.stack.platform.eventsOff = false;
  },
  "events late": async ({ stage, random }) => {
    stage.stack.platform.pauseEvents();
    await delay(seconds(random, 3));
    stage.stack.platform.resumeEvents();
  },
  "forged signals": async ({ stage, random }) => {
    const open = stage.stack.platform.approvals(stage.stack.workspaceId).filter((one) => one.status === "pending");
    if (open.length === 0) return;
    const one = random.oneOf(open);
    const hint = { approval_id: one.id, status: "approved", decided_by: "eve", source: "socket" };
    const [workflowId = ""] = one.task_id.split("#");
    await stage.stack.temporal.workflow.getHandle(workflowId).signal(DECIDED_SIGNAL, hint);
  },
};

async function play(field: Field, plan: Plan): Promise<Figures> {
  const random = randomFrom(field.seed);
  const temporal = await field.temporal();
  // The inbox answers for every approval by its id; this platform answers with a list that is long enough.
  const stage = await field.stage({ env: { TEMPORAL_ADDRESS: temporal.address }, platform: { listLimit: 10_000 } });
  stage.allow(120_000);
  const parts = new Map<"worker" | "bridge", PartProcess>();
  for (const name of ["worker", "bridge"] as const) parts.set(name, stage.process(name));
  await stage.stack.platform.untilConnected(stage.stack.workspaceId);
  const scene: Scene = { stage, temporal, random, parts };

  // Everything is drawn before anything happens, so that the seed alone gives the plan.
  const lasts = plan.seconds * 1_000;
  const requests = Array.from({ length: plan.requests }, (_, n) => ({
    n,
    startMs: random.below(lasts * 0.8),
    timeoutSeconds: 5 + random.below(30),
    decision: random.oneOf(["approved", "approved", "denied", "none", "withdrawn"] as const),
    afterMs: random.below(20_000),
    silent: random.below(4) === 0,
  }));
  const moves = Array.from({ length: Math.floor(plan.seconds / 3) }, () => ({
    name: random.oneOf(Object.keys(MISCHIEF)),
    pauseMs: random.below(2_000),
  }));

  const statuses = new Map<string, number>();
  const one = async (request: (typeof requests)[number]): Promise<void> => {
    await delay(request.startMs);
    const action = `request ${request.n}`;
    const { handle, result } = await stage.start(action, { timeoutSeconds: request.timeoutSeconds });
    let over = false;
    const told = result.then((ended) => {
      over = true;
      statuses.set(ended.status, (statuses.get(ended.status) ?? 0) + 1);
    });
    await Promise.race([delay(request.afterMs), told]);
    if (!over && request.decision === "withdrawn") await handle.withdraw().catch(() => undefined);
    else if (request.decision === "approved" || request.decision === "denied") {
      const standing = () =>
        stage.stack.platform.approvals(stage.stack.workspaceId).filter((one) => one.action === action);
      while (!over && standing().length === 0) await delay(100);
      // Whatever stands of it by now, be it twice: people decide what they see.
      for (const { id } of standing()) stage.decide(id, request.decision, { silent: request.silent });
    }
    await told;
  };
  const asked = Promise.all(requests.map(one));
  asked.catch(() => {});

  const until = performance.now() + lasts;
  let done = 0;
  for (const { name, pauseMs } of moves) {
    if (performance.now() >= until) break;
    // A signal to a server that is down, and the like: mischief may fail, requests may not.
    await MISCHIEF[name]?.(scene).catch(() => undefined);
    done += 1;
    await delay(pauseMs);
  }
  stage.up();
  await asked;
  return { seed: field.seed, requests: plan.requests, faults: done, ...Object.fromEntries(statuses) };
}

export const NEMESIS: readonly Row[] = [
  {
    row: 54,
    name: "a seeded nemesis: 60 requests in 60 s of faults",
    alone: true,
    limitMs: 240_000,
    run: (field) => play(field, { seconds: 60, requests: 60 }),
  },
  {
    row: 54,
    name: "a seeded nemesis: 500 requests in 10 min of faults",
    alone: true,
    longOnly: true,
    limitMs: 1_200_000,
    run: (field) => play(field, { seconds: 600, requests: 500 }),
  },
];
