import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { ApprovalHandle } from "../src/client/handle.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import { hintSources, untilEvent, untilWatch } from "./support/history.ts";
import { assertOneOutcome } from "./support/one-outcome.ts";
import type { PlatformApproval } from "./support/platform-store.ts";
import { startProcess, type PartProcess } from "./support/processes.ts";
import { startStack, type Stack, type StackOptions } from "./support/stack.ts";
import { ownTemporal } from "./support/temporal.ts";
import { until } from "./support/until.ts";

/** COUNTERSIGN_HEARTBEAT of the stack, the 1.5 s that a stream gets before the sweep helps out, and half a second for Temporal. */
const TAKEOVER_MS = 5_000 + 2_000;

/** A stack without parts: this file's parts are processes. */
async function stackFor(t: TestContext, env: NodeJS.ProcessEnv = {}, parts: StackOptions = {}): Promise<Stack> {
  const stack = await startStack({ worker: false, bridge: false, ...parts, env });
  t.after(() => stack.stop());
  return stack;
}

interface Waiting {
  readonly handle: ApprovalHandle;
  readonly approval: PlatformApproval;
  readonly result: Promise<ApprovalResult>;
}

async function ask(t: TestContext, stack: Stack, action: string, timeoutSeconds = 60): Promise<Waiting> {
  const handle = await stack.approvals.start(action, "because", { timeoutSeconds });
  // A test that fails early must not listen on for ever.
  const result = handle.result({ signal: t.signal });
  result.catch(() => {});
  return { handle, approval: await stack.platform.nextApproval(stack.workspaceId), result };
}

async function askAndWait(t: TestContext, stack: Stack, action: string, timeoutSeconds?: number): Promise<Waiting> {
  const waiting = await ask(t, stack, action, timeoutSeconds);
  await untilEvent(stack.temporal, waiting.handle.workflowId, "timerStartedEventAttributes");
  return waiting;
}

async function assertApproved(stack: Stack, { result }: Waiting): Promise<void> {
  const ended = await result;
  assert.equal(ended.status, "approved");
  await assertOneOutcome(stack, ended);
}

function lists(stack: Stack): readonly { readonly at: number }[] {
  return stack.platform.requests.filter((one) => one.method === "GET" && one.path.endsWith("/approvals"));
}

async function untilStreaming(stack: Stack): Promise<void> {
  await untilWatch(stack.temporal, stack.workspaceId, "streaming", (state) => state.mode === "stream");
}

// Most of the time they wait for the limits after which Temporal gives a process up.
describe("whatever dies", { concurrency: 2 }, () => {
  describe("a SIGKILL", { concurrency: 3 }, () => {
    test("of the Temporal server while a person decides loses no decision", async (t) => {
      const temporal = await ownTemporal(t);
      // The stream outlives the outage, so that the next one's list does not find the decision.
      const stack = await stackFor(t, { TEMPORAL_ADDRESS: temporal.address, COUNTERSIGN_HEARTBEAT: "120" });
      const bridge = startProcess(t, "bridge", stack.env);
      startProcess(t, "worker", stack.env);
      const waiting = await askAndWait(t, stack, "delete the account", 90);
      await untilWatch(stack.temporal, stack.workspaceId, "streaming", (state) => state.mode === "stream");
      await temporal.kill();
      const listed = lists(stack).length;
      stack.platform.decide(waiting.approval.id, "approved", "ana");
      await until("the bridge could not tell", () => bridge.stderr().includes("signalling a decision failed"));
      await temporal.start();
      await assertApproved(stack, waiting);
      assert.deepEqual(await hintSources(stack.temporal, waiting.handle.workflowId), ["socket"]);
      assert.equal(lists(stack).length, listed);
    });

    test("of the worker while an approval waits loses nothing", async (t) => {
      const stack = await stackFor(t, {}, { bridge: true });
      const worker = startProcess(t, "worker", stack.env);
      const waiting = await askAndWait(t, stack, "drop the table");
      await worker.kill();
      stack.platform.decide(waiting.approval.id, "approved", "ana");
      startProcess(t, "worker", stack.env);
      await assertApproved(stack, waiting);
    });

    test("of the worker after its POST has reached the platform leaves exactly one approval", async (t) => {
      const stack = await stackFor(t, {}, { bridge: true });
      const worker = startProcess(t, "worker", stack.env);
      stack.platform.onCreate = async () => {
        stack.platform.onCreate = undefined;
        await worker.kill();
      };
      const waiting = await ask(t, stack, "charge the card");
      await worker.exited;
      startProcess(t, "worker", stack.env);
      await untilEvent(stack.temporal, waiting.handle.workflowId, "timerStartedEventAttributes");
      stack.platform.decide(waiting.approval.id, "approved", "ana");
      await assertApproved(stack, waiting);
      assert.equal(stack.platform.count("POST", "/approvals"), 1);
    });

    test("of the worker between a hint and its confirmation loses no decision", async (t) => {
      const stack = await stackFor(t, {}, { bridge: true });
      const worker = startProcess(t, "worker", stack.env);
      const waiting = await askAndWait(t, stack, "merge the branch");
      const fault = stack.platform.fault({ method: "GET", path: /\?ids=/, answer: "hang" });
      stack.platform.decide(waiting.approval.id, "approved", "ana");
      await stack.platform.until(() => fault.hits > 0, "the worker reads");
      await worker.kill();
      fault.remove();
      startProcess(t, "worker", stack.env);
      await assertApproved(stack, waiting);
    });

    test("of the bridge lets the sweep take over in time, and a new bridge ends the sweeping", async (t) => {
      const stack = await stackFor(t, {}, { worker: true });
      const bridge = startProcess(t, "bridge", stack.env);
      await untilStreaming(stack);
      const waiting = await askAndWait(t, stack, "open the firewall");
      const before = lists(stack).length;
      const killedAt = Date.now();
      await bridge.kill();
      await stack.platform.until(() => lists(stack).length > before, "the sweep");
      const waited = (lists(stack)[before]?.at ?? Infinity) - killedAt;
      // A second for a busy machine: other tests run beside this one.
      assert.ok(waited <= TAKEOVER_MS + 1_000, `the sweep took over after ${waited} ms`);
      stack.platform.decide(waiting.approval.id, "approved", "ana");
      await assertApproved(stack, waiting);
      assert.deepEqual(new Set(await hintSources(stack.temporal, waiting.handle.workflowId)), new Set(["sweep"]));

      startProcess(t, "bridge", stack.env);
      await untilStreaming(stack);
      const swept = lists(stack).length;
      const next = await askAndWait(t, stack, "close the firewall");
      stack.platform.decide(next.approval.id, "approved", "ana");
      await assertApproved(stack, next);
      const { workflowId } = next.handle;
      assert.deepEqual(await hintSources(stack.temporal, workflowId), ["socket"]);
      // One may have been on its way when the stream connected.
      assert.ok(lists(stack).length <= swept + 1, "the sweeping ended");
    });

    test("of the Temporal server while an approval waits loses nothing", async (t) => {
      const temporal = await ownTemporal(t);
      const stack = await stackFor(t, { TEMPORAL_ADDRESS: temporal.address });
      for (const name of ["worker", "bridge"] as const) startProcess(t, name, stack.env);
      const waiting = await askAndWait(t, stack, "rename the account");
      await stack.platform.untilConnected(stack.workspaceId);
      await temporal.kill();
      await temporal.start();
      stack.platform.decide(waiting.approval.id, "approved", "ana");
      await assertApproved(stack, waiting);
    });
  });

  describe("a process", { concurrency: 1 }, () => {
    test("that is frozen is done without, and does no harm when it thaws", async (t) => {
      const stack = await stackFor(t, {}, { worker: true });
      const bridge = startProcess(t, "bridge", stack.env);
      await untilStreaming(stack);
      const waiting = await askAndWait(t, stack, "restart the router");
      bridge.send("SIGSTOP");
      await untilWatch(stack.temporal, stack.workspaceId, "sweeping", (state) => state.mode === "sweep");
      const missed = stack.platform.decide(waiting.approval.id, "approved", "ana");
      assert.ok(missed);
      await assertApproved(stack, waiting);

      // It hears of everything that it missed, first of all that its stream is not its own any more.
      bridge.send("SIGCONT");
      const next = await askAndWait(t, stack, "restart the switch");
      await untilStreaming(stack);
      await stack.platform.until(() => stack.platform.sockets.length === 1, "one socket");
      stack.platform.decide(next.approval.id, "approved", "ana");
      await assertApproved(stack, next);
      assert.deepEqual(await hintSources(stack.temporal, next.handle.workflowId), ["socket"]);
    });

    test("that gets a SIGTERM finishes what is at hand, within 10 s, and exits with 0", async (t) => {
      const stack = await stackFor(t);
      const parts: PartProcess[] = [startProcess(t, "worker", stack.env), startProcess(t, "bridge", stack.env)];
      await stack.platform.untilConnected(stack.workspaceId);
      stack.platform.fault({ method: "POST", times: 1, when: "after", answer: { delayMs: 2_000 } });
      const waiting = await ask(t, stack, "send the newsletter");
      const stoppedAt = performance.now();
      for (const part of parts) part.send("SIGTERM");
      const exits = await Promise.all(parts.map((part) => part.exited));
      const took = performance.now() - stoppedAt;
      assert.deepEqual(
        exits,
        parts.map(() => ({ code: 0, signal: null })),
      );
      assert.ok(took <= 10_000, `${took} ms`);
      assert.deepEqual(stack.platform.sockets, []);

      stack.platform.decide(waiting.approval.id, "approved", "ana");
      for (const name of ["worker", "bridge"] as const) startProcess(t, name, stack.env);
      await assertApproved(stack, waiting);
      assert.equal(stack.platform.count("POST", "/approvals"), 1);
    });

    test("that starts while Temporal is down waits, and takes up work when it comes", async (t) => {
      const temporal = await ownTemporal(t);
      const stack = await stackFor(t, { TEMPORAL_ADDRESS: temporal.address });
      await temporal.kill();
      const parts = (["worker", "bridge"] as const).map((name) => startProcess(t, name, stack.env));
      for (const part of parts) {
        await until("it tells of the trouble", () =>
          part.stderr().includes(`cannot reach Temporal at ${temporal.address}`),
        );
      }
      await temporal.start();
      const waiting = await ask(t, stack, "start the engine");
      stack.platform.decide(waiting.approval.id, "approved", "ana");
      await assertApproved(stack, waiting);
      for (const part of parts) await part.ready();
    });
  });
});
