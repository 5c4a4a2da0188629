import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { untilEvent, untilWatch } from "./support/history.ts";
import { assertOneOutcome } from "./support/one-outcome.ts";
import { startProcess, type PartProcess } from "./support/processes.ts";
import { startStack, type Stack } from "./support/stack.ts";
import { ownTemporal, type OwnTemporal } from "./support/temporal.ts";
import { until } from "./support/until.ts";

interface Scene {
  readonly temporal: OwnTemporal;
  readonly stack: Stack;
  readonly worker: PartProcess;
  readonly bridge: PartProcess;
}

async function streaming(t: TestContext): Promise<Scene> {
  const temporal = await ownTemporal(t);
  const stack = await startStack({ worker: false, bridge: false, env: { TEMPORAL_ADDRESS: temporal.address } });
  t.after(() => stack.stop());
  const [worker, bridge] = [startProcess(t, "worker", stack.env), startProcess(t, "bridge", stack.env)];
  await untilWatch(stack.temporal, stack.workspaceId, "streaming", (state) => state.mode === "stream");
  return { temporal, stack, worker, bridge };
}

const told = (part: PartProcess, text: string) => part.stderr().split(text).length - 1;
const untilTold = (part: PartProcess, text: string, times = 1) =>
  until(`"${text}" (${times})`, () => told(part, text) >= times);

describe("in an outage of Temporal", { concurrency: 2 }, () => {
  test("worker and bridge say once that it cannot be reached and why, and that it is well again", async (t) => {
    const { temporal, worker, bridge } = await streaming(t);
    await temporal.kill();
    const problem = `cannot reach Temporal at ${temporal.address}: connect ECONNREFUSED ${temporal.address}; is the server up`;
    for (const part of [worker, bridge]) await untilTold(part, problem);
    await temporal.start();
    for (const part of [worker, bridge]) {
      await untilTold(part, "temporal is well again");
      assert.equal(told(part, `temporal is in trouble: ${problem}`), 1);
    }
  });

  test("a decision waits, and a fresh worker gives it to the caller when Temporal is back", async (t) => {
    const { temporal, stack, worker } = await streaming(t);
    const handle = await stack.approvals.start("close the account", "because", { timeoutSeconds: 90 });
    const result = handle.result({ signal: t.signal });
    result.catch(() => {});
    const approval = await stack.platform.nextApproval(stack.workspaceId);
    await untilEvent(stack.temporal, handle.workflowId, "timerStartedEventAttributes");
    await temporal.kill();
    await untilTold(worker, "temporal is in trouble");
    stack.platform.decide(approval.id, "approved", "ana");
    // Longer than what the SDK's own polls would sleep through without harm.
    const since = performance.now();
    await until("the outage has lasted", () => performance.now() - since > 3_000);
    await temporal.start();
    await untilTold(worker, "the worker is ready", 2);
    const ended = await result;
    assert.equal(ended.status, "approved");
    await assertOneOutcome(stack, ended);
  });

  test("a process that is told to stop ends in good order, also with a decision that it cannot hand over", async (t) => {
    const { temporal, stack, worker, bridge } = await streaming(t);
    // One more in this process, where nothing may go off after its end: a retry on a closed connection once threw from its timer.
    const part = stack.startBridge();
    await stack.approvals.start("close the account", "because", { timeoutSeconds: 90 });
    const approval = await stack.platform.nextApproval(stack.workspaceId);
    await temporal.kill();
    stack.platform.decide(approval.id, "approved", "ana");
    for (const one of [worker, bridge]) {
      await untilTold(one, "temporal is in trouble");
      one.send("SIGTERM");
      const { code } = await one.exited;
      assert.equal(code, 0, one.stderr());
    }
    await part.stop();
  });
});
