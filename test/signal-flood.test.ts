import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import proto from "@temporalio/proto";
import { Worker } from "@temporalio/worker";
import { DECIDED_SIGNAL } from "../src/domain/names.ts";
import type { ApprovalState } from "../src/domain/state.ts";
import { startStack, type Part, type Stack } from "./support/stack.ts";
import { until } from "./support/until.ts";

const BUNDLED = { workflowBundle: { codePath: fileURLToPath(new URL("../workflow-bundle.js", import.meta.url)) } };
const FORCE_CLOSE = proto.temporal.api.enums.v1.WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND;
/** Below the 10,000 at which Temporal refuses further signals to one run. */
const FLOOD = 9_900;
const LANES = 20;
/** A fifth of what the SDK takes for as many handlers on a fast machine that does nothing else; more than ten times what we take. */
const REPLAY_MS = 2_000;

async function asked(stack: Stack, action: string) {
  const { workflowId, result } = await stack.approvals.start(action, "hear it all");
  const approval = await stack.platform.nextApproval(stack.workspaceId, (one) => one.action === action);
  const workflow = stack.temporal.workflow.getHandle(workflowId);
  const state = () => workflow.query<ApprovalState>("state");
  await until(`${action} to wait`, async () => (await state()).step === "waiting");
  /** Tells of an approval that nobody gave. */
  const forge = async (n: number) => {
    const hint = { approval_id: approval.id, status: "approved", decided_by: `eve ${n}`, source: "manual" };
    await workflow.signal(DECIDED_SIGNAL, hint);
  };
  return { workflow, approval, state, result, forge };
}

describe("signals that nobody of ours sent", () => {
  let stack: Stack;
  let worker: Part;
  before(async () => {
    stack = await startStack({ bridge: false, worker: false, env: { APPROVAL_TIMEOUT: "300" } });
    worker = stack.startWorker();
  });
  after(() => stack.stop());

  for (const name of ["__temporal_anything", "__stack_trace", "__enhanced_stack_trace", "no such signal"]) {
    test(`of the name ${name} are counted and change nothing`, async () => {
      const { workflow, approval, state, result } = await asked(stack, `listen to ${name}`);
      await workflow.signal(name);
      await until("it to be counted", async () => (await state()).hints.ignored === 1);
      stack.platform.decide(approval.id, "approved", "ana");
      assert.equal((await result()).status, "approved");
    });
  }

  test("while the platform is read make Temporal take the task back, and what was done by then is done again", async () => {
    const { workflow, approval, state, result, forge } = await asked(stack, "listen to a choir");
    const reading = stack.platform.fault({ path: /[?]ids=/, times: 1, when: "after", answer: { delayMs: 4_000 } });
    await forge(0);
    await until("the reading to begin", () => reading.hits === 1);
    // One more than the server keeps for a task that runs.
    await Promise.all(Array.from({ length: 101 }, (_, n) => forge(n + 1)));
    await until("the next reading", async () => (await state()).readings >= 2);
    // A worker that remembers nothing of it must come to the same.
    await worker.stop();
    worker = stack.startWorker();
    stack.platform.decide(approval.id, "denied", "bob");
    assert.equal((await result()).status, "denied");

    const { events } = await workflow.fetchHistory();
    const causes = events?.map((event) => event.workflowTaskFailedEventAttributes?.cause);
    assert.ok(causes?.includes(FORCE_CLOSE), "the server has taken a task back");
    await Worker.runReplayHistory(BUNDLED, { events: events ?? [] }, workflow.workflowId);
  });

  test("while no worker was up are all heard, and the next worker replays them within a task", async () => {
    const { workflow, approval, state, result, forge } = await asked(stack, "listen to one voice");
    const { runId } = await workflow.describe();
    await worker.stop();
    await workflow.signal(DECIDED_SIGNAL);
    await workflow.signal("unheard of", 1, 2);
    await workflow.signal("never heard of");
    let next = 0;
    const lane = async () => {
      for (let n = next++; n < FLOOD; n = next++) await forge(n);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    stack.platform.decide(approval.id, "denied", "bob");
    worker = stack.startWorker();
    assert.equal((await result()).status, "denied");
    const { heard, ignored } = (await state()).hints;
    // The sweep has told of the denial, too.
    assert.ok(heard >= FLOOD, `${heard} heard`);
    assert.equal(ignored, 3);

    const flooded = await stack.temporal.workflow.getHandle(workflow.workflowId, runId).fetchHistory();
    const options = { ...BUNDLED, isolateExecutionTimeout: REPLAY_MS };
    await Worker.runReplayHistory(options, flooded, workflow.workflowId);
  });
});
