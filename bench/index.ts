/**
 * Measures one approval on a real Temporal server: history events, Temporal Actions, and how long after the decision the agent
 * has the answer, side by side with a bare signal in the same rounds. Prints ratios, which hold on noisy machines too.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DefaultLogger, NativeConnection, Worker } from "@temporalio/worker";
import { freePort } from "../src/dev-server/free-port.ts";
import { APPROVAL_MEMO } from "../src/domain/names.ts";
import { startStack, type Stack } from "../test/support/stack.ts";
import { startOwnServer } from "../test/support/temporal.ts";

const ROUNDS = 60;
const WARM_UP = 5;
const COUNTED = 10;
/** Heartbeats of the stream, and wakes of the watch: once per workspace, not per approval. */
const WATCH = /Heartbeat|SignalWithStart/;

/** The server's own count of Actions by kind: its metric `action`, without what the watch costs by the clock. */
async function actions(metricsPort: number): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const counts = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, kind, namespace, count] = /^action\{action_type="([^"]+)",namespace="([^"]+)".* (\d+)$/.exec(line) ?? [];
    if (kind === undefined || namespace !== "default" || WATCH.test(kind)) continue;
    counts.set(kind, (counts.get(kind) ?? 0) + Number(count));
  }
  return counts;
}

/** The server reports its metrics once a second or so: what it says twice, two seconds apart, is all. */
async function settledActions(metricsPort: number): Promise<Map<string, number>> {
  for (let last = ""; ;) {
    const now = await actions(metricsPort);
    const text = JSON.stringify([...now]);
    if (text === last) return now;
    last = text;
    await delay(2_000);
  }
}

async function decide(stack: Stack): Promise<{ milliseconds: number; workflowId: string }> {
  const handle = await stack.approvals.start("benchmark", "");
  const result = handle.result();
  const approval = await stack.platform.nextApproval(stack.workspaceId);
  await settled(stack, handle.workflowId);
  const from = performance.now();
  stack.platform.decide(approval.id, "approved", "ana");
  await result;
  return { milliseconds: performance.now() - from, workflowId: handle.workflowId };
}

/** One approval without a query, since a query is an Action too. */
async function ask(stack: Stack): Promise<void> {
  const handle = await stack.approvals.start("counted", "");
  const approval = await stack.platform.nextApproval(stack.workspaceId);
  const workflow = stack.temporal.workflow.getHandle(handle.workflowId);
  while ((await workflow.describe()).memo?.[APPROVAL_MEMO] === undefined);
  stack.platform.decide(approval.id, "approved", "ana");
  await handle.result();
}

/** Until the workflow waits: a decision that meets it half-way would be measured shorter than it is. */
async function settled(stack: Stack, workflowId: string): Promise<void> {
  const workflow = stack.temporal.workflow.getHandle(workflowId);
  while ((await workflow.query<{ step: string }>("state")).step !== "waiting");
}

async function signal(stack: Stack, taskQueue: string): Promise<number> {
  const handle = await stack.temporal.workflow.start("floor", { taskQueue, workflowId: `floor:${randomUUID()}` });
  const result = handle.result();
  await handle.query("__stack_trace");
  const from = performance.now();
  await handle.signal("done");
  await result;
  return performance.now() - from;
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
}

const metricsPort = await freePort();
const server = await startOwnServer(undefined, { extraArgs: ["--metrics-port", String(metricsPort)] });
try {
  const stack = await startStack({ env: { TEMPORAL_ADDRESS: server.address } });
  const connection = await NativeConnection.connect({ address: server.address });
  const floorQueue = `floor-${randomUUID()}`;
  const worker = await Worker.create({
    connection,
    taskQueue: floorQueue,
    workflowsPath: fileURLToPath(new URL("./floor.js", import.meta.url)),
    bundlerOptions: { logger: new DefaultLogger("ERROR") } as never,
  });
  await stack.platform.untilConnected(stack.workspaceId);
  await worker.runUntil(async () => {
    for (let i = 0; i < WARM_UP; i++) await Promise.all([decide(stack), signal(stack, floorQueue)]);
    const approvals: number[] = [];
    const floors: number[] = [];
    let workflowId = "";
    for (let i = 0; i < ROUNDS; i++) {
      const round = await decide(stack);
      workflowId = round.workflowId;
      approvals.push(round.milliseconds);
      floors.push(await signal(stack, floorQueue));
      if (i % 20 === 19) process.stderr.write(`round ${i + 1} of ${ROUNDS}\n`);
    }
    const history = await stack.temporal.workflow.getHandle(workflowId).fetchHistory();

    const before = await settledActions(metricsPort);
    for (let i = 0; i < COUNTED; i++) await ask(stack);
    const after = await settledActions(metricsPort);
    const used = [...after].map(([kind, count]) => [kind, (count - (before.get(kind) ?? 0)) / COUNTED] as const);
    const perApproval = used.reduce((sum, [, count]) => sum + count, 0);

    const [p50, floor50] = [percentile(approvals, 0.5), percentile(floors, 0.5)];
    const ms = (value: number) => `${value.toFixed(1)} ms`;
    console.log(
      `one approval: ${history.events?.length} history events (goal <= 25), ${perApproval} Temporal Actions (goal <= 7)`,
    );
    console.log(`decision -> result, ${ROUNDS} rounds: p50 ${ms(p50)}, p95 ${ms(percentile(approvals, 0.95))}`);
    console.log(`bare signal -> result, same rounds: p50 ${ms(floor50)}, p95 ${ms(percentile(floors, 0.95))}`);
    console.log(`ratio of the medians: ${(p50 / floor50).toFixed(2)} (goal <= 2)`);
  });
  await connection.close();
  await stack.stop();
} finally {
  await server.stop();
}
