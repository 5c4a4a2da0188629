import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test, type TestContext } from "node:test";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import { eventsOf, hintSources, signalsOf, untilWatch, watchState } from "./support/history.ts";
import { assertOneOutcome } from "./support/one-outcome.ts";
import type { LoggedRequest } from "./support/platform-server.ts";
import type { PlatformApproval } from "./support/platform-store.ts";
import { startStack, type Stack, type StackOptions } from "./support/stack.ts";

const HEARTBEAT_MS = 5_000;
/** A stream may take this long before the sweep helps out. */
const HEAD_START_MS = 1_500;
/** What a busy machine may add to a limit. */
const SLACK_MS = 2_000;

async function stackFor(t: TestContext, options: StackOptions = {}): Promise<Stack> {
  const stack = await startStack(options);
  t.after(() => stack.stop());
  return stack;
}

/** The watch's own lists; a request that reads for itself names its ids. */
function lists(stack: Stack): LoggedRequest[] {
  return stack.platform.requests.filter((one) => one.method === "GET" && one.path.endsWith("/approvals"));
}

function dials(stack: Stack): LoggedRequest[] {
  return stack.platform.requests.filter((one) => one.path === "/ws");
}

async function ask(
  t: TestContext,
  stack: Stack,
  action: string,
  timeoutSeconds?: number,
): Promise<{ readonly approval: PlatformApproval; readonly result: Promise<ApprovalResult> }> {
  const options = timeoutSeconds === undefined ? {} : { timeoutSeconds };
  const handle = await stack.approvals.start(action, "because", options);
  // A test that fails early must not listen on for ever.
  const result = handle.result({ signal: AbortSignal.any([t.signal]) });
  result.catch(() => {});
  return { approval: await stack.platform.nextApproval(stack.workspaceId, (one) => one.action === action), result };
}

async function approve(stack: Stack, { approval, result }: Awaited<ReturnType<typeof ask>>): Promise<ApprovalResult> {
  stack.platform.decide(approval.id, "approved", "ana");
  const ended = await result;
  assert.equal(ended.status, "approved");
  await assertOneOutcome(stack, ended);
  return ended;
}

async function untilStreaming(stack: Stack): Promise<void> {
  await untilWatch(stack.temporal, stack.workspaceId, "streaming", (state) => state.mode === "stream");
}

async function untilListed(stack: Stack, more: number): Promise<LoggedRequest[]> {
  const before = lists(stack).length;
  await stack.platform.until(() => lists(stack).length >= before + more, `${more} more lists of the watch`);
  return lists(stack).slice(before);
}

/** Takes the watch's stream as a bridge would, and does nothing with it. */
async function takeStream(stack: Stack): Promise<{ readonly run_id: string; readonly activity_id: string }> {
  const task = await stack.temporal.withDeadline(Date.now() + 20_000, () =>
    stack.temporal.workflowService.pollActivityTaskQueue({
      namespace: "default",
      taskQueue: { name: stack.config.bridgeTaskQueue },
      identity: "a bridge that dies",
    }),
  );
  assert.ok(task.taskToken.length > 0, "the watch's stream");
  return { run_id: task.workflowExecution?.runId ?? "", activity_id: task.activityId };
}

describe("the watch", { concurrency: 3 }, () => {
  test("sweeps within two seconds where the socket is refused", async (t) => {
    // The interval is far longer than the test, so that it cannot be what brings the list.
    const stack = await stackFor(t, { platform: { refuseSocket: 503 }, env: { APPROVAL_POLL_INTERVAL: "120" } });
    await stack.platform.until(() => dials(stack).length > 0, "a refused handshake");
    const [first] = await untilListed(stack, 1);
    const waited = (first?.at ?? 0) - (dials(stack)[0]?.at ?? 0);
    assert.ok(waited <= HEAD_START_MS + SLACK_MS, `the first list came ${waited} ms after the first handshake`);
  });

  test("lists once per interval for all that wait, however many they are", async (t) => {
    const stack = await stackFor(t, { bridge: false });
    const waiting = await Promise.all(Array.from({ length: 30 }, (_, index) => ask(t, stack, `act ${index}`)));
    const swept = await untilListed(stack, 5);
    const gaps = swept.slice(1).map((list, index) => list.at - (swept[index]?.at ?? 0));
    // Temporal's timers are of whole milliseconds and may round.
    assert.ok(
      gaps.every((gap) => gap >= 950),
      `gaps between lists in ms: ${gaps.join(", ")}`,
    );

    const before = stack.platform.count("GET", "/approvals?ids=");
    await Promise.all(waiting.map((one) => approve(stack, one)));
    const readings = stack.platform.count("GET", "/approvals?ids=") - before;
    assert.ok(readings < waiting.length / 2, `${readings} readings for ${waiting.length} decisions`);
  });

  test("does not list while a stream is connected", async (t) => {
    const stack = await stackFor(t);
    await untilStreaming(stack);
    const before = lists(stack).length;
    // Several intervals of the sweep, with something waiting all the time.
    const { result } = await ask(t, stack, "wait for nobody", 4);
    const ended = await result;
    assert.equal(ended.status, "timed_out");
    assert.equal(lists(stack).length, before);
    await assertOneOutcome(stack, ended);
  });

  test("sweeps when the stream is lost, and stops when it is back", async (t) => {
    const stack = await stackFor(t);
    await untilStreaming(stack);
    const first = await ask(t, stack, "while the socket is gone");
    stack.platform.refuseSocket = 503;
    stack.platform.dropSockets();
    await untilListed(stack, 2);
    const { workflow_id } = await approve(stack, first);
    assert.deepEqual(new Set(await hintSources(stack.temporal, workflow_id)), new Set(["sweep"]));

    stack.platform.refuseSocket = undefined;
    await untilStreaming(stack);
    const before = lists(stack).length;
    const second = await ask(t, stack, "wait for nobody", 3);
    assert.equal((await second.result).status, "timed_out");
    // One may have been on its way when the stream connected.
    assert.ok(lists(stack).length <= before + 1, `${lists(stack).length - before} lists with a stream connected`);
  });

  test("replaces a bridge that dies without a word within the heartbeat timeout", async (t) => {
    const stack = await stackFor(t, { bridge: false });
    const dead = await takeStream(stack);
    const takenAt = Date.now();
    await stack.temporal.workflow.getHandle(`watch:${stack.workspaceId}`).signal("connected", dead);
    await untilStreaming(stack);
    stack.startBridge();
    const [list] = await untilListed(stack, 1);
    const waited = (list?.at ?? 0) - takenAt;
    assert.ok(waited <= HEARTBEAT_MS + HEAD_START_MS + SLACK_MS, `the sweep helped out after ${waited} ms`);
    await stack.platform.untilConnected(stack.workspaceId);
    await untilStreaming(stack);
    const { workflow_id } = await approve(stack, await ask(t, stack, "ask the next bridge"));
    assert.deepEqual(await hintSources(stack.temporal, workflow_id), ["socket"]);
  });

  test("believes only its own stream that it is connected", async (t) => {
    const stack = await stackFor(t, { bridge: false });
    const own = await takeStream(stack);
    const watch = stack.temporal.workflow.getHandle(`watch:${stack.workspaceId}`);
    const forged: readonly unknown[] = [
      { ...own, run_id: randomUUID() },
      { ...own, activity_id: "stream-0" },
      { activity_id: own.activity_id },
      "connected",
      null,
    ];
    for (const payload of forged) await watch.signal("connected", payload);
    const state = await watchState(stack.temporal, stack.workspaceId);
    assert.deepEqual([state.mode, state.stream?.connected], ["sweep", false]);
    await watch.signal("connected", own);
    await untilStreaming(stack);
  });

  test("never dials where APPROVAL_USE_WEBSOCKET is false", async (t) => {
    const stack = await stackFor(t, { env: { APPROVAL_USE_WEBSOCKET: "false" } });
    const waiting = await ask(t, stack, "without a socket");
    await untilListed(stack, 2);
    const { workflow_id } = await approve(stack, waiting);
    assert.deepEqual(new Set(await hintSources(stack.temporal, workflow_id)), new Set(["sweep"]));
    assert.deepEqual(dials(stack), []);
    const scheduled = (await eventsOf(stack.temporal, `watch:${stack.workspaceId}`)).map(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name,
    );
    assert.equal(scheduled.includes("streamDecisions"), false);
  });

  test("gives its stream up when a worker comes that is to use no socket", async (t) => {
    const stack = await stackFor(t, { worker: false });
    const worker = stack.startWorker();
    await untilStreaming(stack);
    await worker.stop();
    stack.startWorker({ APPROVAL_USE_WEBSOCKET: "false" });
    await stack.platform.until(() => stack.platform.sockets.length === 0, "the socket is closed");
    const dialled = dials(stack).length;
    await approve(stack, await ask(t, stack, "from now on without a socket"));
    await untilListed(stack, 2);
    assert.equal(dials(stack).length, dialled);
  });

  test("goes on with a second bridge when the first one stops", async (t) => {
    const stack = await stackFor(t, { bridge: false });
    const first = stack.startBridge();
    await untilStreaming(stack);
    stack.startBridge();
    const waiting = await ask(t, stack, "over two bridges");
    await first.stop();
    await stack.platform.until(
      () => dials(stack).length === 2 && stack.platform.sockets.length === 1,
      "the spare's socket",
    );
    await untilStreaming(stack);
    const { workflow_id } = await approve(stack, waiting);
    assert.deepEqual(await hintSources(stack.temporal, workflow_id), ["socket"]);
  });

  test("signals and withdraws nothing that carries a foreign task id", async (t) => {
    const stack = await stackFor(t);
    const other = randomUUID();
    const victim = await stack.temporal.workflow.start("requestApproval", {
      taskQueue: `nobody-${other}`,
      workflowId: `approval:${other}:victim`,
      args: [{}],
    });
    await untilStreaming(stack);
    const run = victim.firstExecutionRunId;
    const watch = stack.temporal.workflow.getHandle(`watch:${stack.workspaceId}`);
    const watchRun = (await watch.describe()).runId;
    const taskIds = [
      `approval:${other}:victim#${run}`,
      `approval:${stack.workspaceId}:x:${other}:victim#${run}`,
      `watch:${stack.workspaceId}#${watchRun}`,
      `approval:${stack.workspaceId}:nobody-knows-it#${run}`,
    ];
    const decided = taskIds.map((task_id) => stack.platform.create(stack.workspaceId, { task_id }));
    const pending = taskIds.map((task_id) => stack.platform.create(stack.workspaceId, { task_id }));
    for (const id of decided) stack.platform.decide(id, "approved", "mallory");

    // Both ways of hearing: the socket's events above, and lists.
    stack.platform.refuseSocket = 503;
    stack.platform.dropSockets();
    await untilListed(stack, 2);
    await approve(stack, await ask(t, stack, "one of ours, behind them in the list"));
    assert.deepEqual(await signalsOf(stack.temporal, victim.workflowId), []);
    const toWatch = await signalsOf(stack.temporal, watch.workflowId);
    assert.deepEqual(new Set(toWatch.map((signal) => signal.name)), new Set(["wake", "connected"]));
    const statusOf = new Map(stack.platform.approvals(stack.workspaceId).map((one) => [one.id, one.status]));
    assert.deepEqual(new Set(pending.map((id) => statusOf.get(id))), new Set(["pending"]));
    await victim.terminate();
  });

  test("tells how its workers are", async (t) => {
    const stack = await stackFor(t, { bridge: false });
    await untilWatch(stack.temporal, stack.workspaceId, "a worker that is well", ({ workers }) =>
      Object.values(workers).some((problems) => problems.length === 0),
    );
    const fault = stack.platform.fault({ method: "GET", path: /approvals/, answer: { status: 500 } });
    const ill = await untilWatch(stack.temporal, stack.workspaceId, "a worker in trouble", ({ workers }) =>
      Object.values(workers).some((problems) => problems.length > 0),
    );
    const [problem, ...others] = Object.values(ill.workers).flat();
    assert.match(problem ?? "", /^platform: .*500/);
    assert.equal(others.length, 0);
    fault.remove();
    await untilWatch(stack.temporal, stack.workspaceId, "the worker is well again", ({ workers }) =>
      Object.values(workers).every((problems) => problems.length === 0),
    );
  });
});
