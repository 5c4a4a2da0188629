/** Rows 9, 10 and 49: many requests, few workers, none of which lives long. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { runWorker } from "../../src/worker.ts";
import { REQUEST_APPROVAL } from "../../src/domain/names.ts";
import { until } from "../../test/support/until.ts";
import { createLogger } from "../../src/log.ts";
import { askMany, decideAll } from "../crowd.ts";
import type { Field } from "../field.ts";
import type { Figures, Row } from "../row.ts";

async function killing(field: Field, requests: number, everyMs: number): Promise<Figures> {
  const stage = await field.stage({ bridge: true, platform: { listLimit: 10_000 } });
  const workers = [stage.process("worker"), stage.process("worker")];
  let kills = 0;
  let over = false;
  const nemesis = (async () => {
    for (let n = 0; !over; n++) {
      await delay(everyMs);
      await workers[n % 2]?.kill();
      kills += 1;
      workers[n % 2] = stage.process("worker");
    }
  })();
  const all = await askMany(stage, requests, 120);
  all.forEach((asked) => void stage.decide(asked));
  // The killing goes on until most have their answer; the rest must get it from what is left.
  await Promise.race([Promise.all(all.map(({ result }) => result)), delay(10_000)]);
  over = true;
  await nemesis;
  stage.up();
  for (const asked of all) await stage.ends(asked, "approved");
  const creations = stage.stack.platform.count("POST", "/approvals");
  assert.equal(stage.stack.platform.approvals(stage.stack.workspaceId).length, requests, "approvals on the platform");
  return { requests, kills, creations };
}

async function forgetful(field: Field, maxCachedWorkflows: number, atOnce: number): Promise<Figures> {
  const stage = await field.stage({ bridge: true });
  const { config } = stage.stack;
  const ender = new AbortController();
  const log = createLogger({ name: "chaos", secrets: config.secrets, destination: { write: () => {} } });
  const running = runWorker(config, { signal: ender.signal, log, maxCachedWorkflows });
  field.after(async () => {
    ender.abort();
    await running;
  });
  const rounds = 3;
  for (let round = 0; round < rounds; round++) await decideAll(stage, await askMany(stage, atOnce, 60, true));
  const late = await stage.ends(await stage.ask("nobody answers", { timeoutSeconds: 2 }), "timed_out");
  assert.equal(late.status === "timed_out" && late.withdrawn, true);
  return { requests: rounds * atOnce + 1 };
}

async function manyWaiting(field: Field, waiting: number, env: NodeJS.ProcessEnv, listLimit: number): Promise<Figures> {
  const stage = await field.stage({ bridge: true, env, platform: { listLimit } });
  stage.process("worker");
  await stage.stack.platform.untilConnected(stage.stack.workspaceId);
  const from = performance.now();
  const all = await askMany(stage, waiting, 600, true);
  const asked_ms = Math.round(performance.now() - from);
  const lists = stage.stack.platform.count("GET", "/approvals");
  const all_decided_ms = await decideAll(stage, all);
  assert.ok(all_decided_ms <= 60_000, `${all_decided_ms} ms`);
  return { waiting, asked_ms, all_decided_ms, lists: stage.stack.platform.count("GET", "/approvals") - lists };
}

const TIMEOUT_SECONDS = 1_200;
const LIMIT_MS = 900_000;

/** So many that listening for each would be a load of its own: nobody waits for a result, the checker asks Temporal for every one. */
async function thousands(field: Field, waiting: number): Promise<Figures> {
  // As our inbox answers, from which a reading gets what it asks for and not 10,000 others.
  const stage = await field.stage({ bridge: true, platform: { listLimit: 100_000, answersIds: true } });
  stage.process("worker");
  const { platform, workspaceId, approvals, temporal, config } = stage.stack;
  await platform.untilConnected(workspaceId);
  const from = performance.now();
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < waiting; n = next++) {
      const { workflowId } = await approvals.start(`request ${n}`, "because", { timeoutSeconds: TIMEOUT_SECONDS });
      stage.expect(workflowId, TIMEOUT_SECONDS);
    }
  };
  await Promise.all(Array.from({ length: 20 }, lane));
  const asked = () => platform.approvals(workspaceId);
  await until("all are asked", () => asked().length >= waiting, LIMIT_MS);
  const asked_ms = Math.round(performance.now() - from);
  const decidedFrom = performance.now();
  asked().forEach(({ id }, n) => void stage.decide(id, n % 2 === 0 ? "approved" : "denied"));
  const decided_ms = Math.round(performance.now() - decidedFrom);
  assert.ok(decided_ms <= 60_000, `they took ${decided_ms} ms to decide`);
  const query = `WorkflowType='${REQUEST_APPROVAL}' AND TaskQueue='${config.taskQueue}' AND ExecutionStatus='Running'`;
  await until("all have ended", async () => (await temporal.workflow.count(query)).count === 0, LIMIT_MS);
  const all_ended_ms = Math.round(performance.now() - decidedFrom);
  for (const { id, status } of asked()) assert.notEqual(status, "pending", id);
  return { waiting, asked_ms, decided_ms, all_ended_ms };
}

const KEY = { COUNTERSIGN_HINT_KEY: "h".repeat(43) };

export const CROWDS: readonly Row[] = [
  {
    row: 9,
    name: "40 requests on two workers, of which one is killed every 3 s",
    limitMs: 120_000,
    alone: true,
    run: (field) => killing(field, 40, 3_000),
  },
  {
    row: 9,
    name: "200 requests on two workers, of which one is killed every 2 s",
    limitMs: 300_000,
    alone: true,
    longOnly: true,
    run: (field) => killing(field, 200, 2_000),
  },
  {
    row: 10,
    name: "a worker that keeps no workflow in memory: every task is a replay",
    // One after the other: with no cache at all the SDK lets tasks that hold a local activity wait for each other until they time out.
    run: (field) => forgetful(field, 0, 1),
  },
  {
    row: 10,
    name: "a worker that keeps 2 workflows in memory, with 5 waiting",
    run: (field) => forgetful(field, 2, 5),
  },
  {
    row: 49,
    name: "200 waiting, decided at once",
    alone: true,
    limitMs: 120_000,
    run: (field) => manyWaiting(field, 200, {}, 100_000),
  },
  {
    row: 49,
    name: "100 waiting behind a list of 50, decided at once, with COUNTERSIGN_HINT_KEY",
    alone: true,
    limitMs: 120_000,
    run: (field) => manyWaiting(field, 100, KEY, 50),
  },
  {
    row: 49,
    name: "10,000 waiting, decided within a minute",
    alone: true,
    longOnly: true,
    limitMs: 1_800_000,
    run: (field) => thousands(field, 10_000),
  },
];
