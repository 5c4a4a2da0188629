/** Rows 1 to 8: the worker dies at every point of a request, or is away across its deadline. */
import assert from "node:assert/strict";
import { eventsOf, untilEvent } from "../../test/support/history.ts";
import { until } from "../../test/support/until.ts";
import type { Field, Stage } from "../field.ts";
import type { Row } from "../row.ts";

async function withBridge(field: Field, env: NodeJS.ProcessEnv = {}): Promise<Stage> {
  return await field.stage({ bridge: true, env });
}

/** The worker is away while the timer fires; what was decided is told to the next one. */
async function acrossDeadline(field: Field, decidedAfterSeconds: number): Promise<{ stage: Stage; status: string }> {
  const stage = await withBridge(field);
  const worker = stage.process("worker");
  const asked = await stage.askAndWait("rotate the keys", { timeoutSeconds: 3 });
  await worker.kill();
  await untilEvent(stage.stack.temporal, asked.handle.workflowId, "timerFiredEventAttributes");
  const created = Date.parse(asked.approval.created_at);
  await until("the end of the grace", () => Date.now() > created + 5_500);
  stage.decide(asked, "approved", { decidedAt: new Date(created + decidedAfterSeconds * 1_000) });
  stage.process("worker");
  stage.up();
  return { stage, status: (await asked.result).status };
}

export const WORKER_KILLED: readonly Row[] = [
  {
    row: 1,
    name: "SIGKILL of the worker before the permission is checked",
    async run(field) {
      const stage = await withBridge(field);
      const first = stage.process("worker");
      await first.ready();
      // Frozen it takes the first task, or it is taken from it: either way nothing is checked before it dies.
      first.send("SIGSTOP");
      const started = await stage.start("drop the table");
      await until(
        "the start is in history",
        async () => (await eventsOf(stage.stack.temporal, started.handle.workflowId)).length >= 2,
      );
      await first.kill();
      stage.process("worker");
      stage.up();
      const approval = await stage.stack.platform.nextApproval(stage.stack.workspaceId);
      await stage.grants({ ...started, approval });
      assert.equal(stage.stack.platform.count("POST", "/approvals"), 1);
    },
  },
  {
    row: 2,
    name: "SIGKILL of the worker after its POST has reached the platform",
    async run(field) {
      const stage = await withBridge(field);
      const { platform } = stage.stack;
      const worker = stage.process("worker");
      platform.onCreate = async () => {
        platform.onCreate = undefined;
        await worker.kill();
      };
      const asked = await stage.ask("charge the card");
      await worker.exited;
      stage.process("worker");
      stage.up();
      await untilEvent(stage.stack.temporal, asked.handle.workflowId, "timerStartedEventAttributes");
      await stage.grants(asked);
      assert.equal(platform.count("POST", "/approvals"), 1, "creations");
    },
  },
  {
    row: 3,
    name: "SIGKILL of the worker while a request waits",
    async run(field) {
      const stage = await withBridge(field);
      const worker = stage.process("worker");
      const asked = await stage.askAndWait("drop the table");
      await worker.kill();
      stage.decide(asked);
      const next = stage.process("worker");
      stage.up();
      await next.ready();
      const from = performance.now();
      await stage.ends(asked, "approved");
      return { after_start_ms: Math.round(performance.now() - from) };
    },
  },
  {
    row: 4,
    name: "SIGKILL of the worker between a hint and its confirmation",
    async run(field) {
      const stage = await withBridge(field);
      const worker = stage.process("worker");
      const asked = await stage.askAndWait("merge the branch");
      const fault = stage.stack.platform.fault({ method: "GET", path: /\?ids=/, answer: "hang" });
      stage.decide(asked);
      await stage.stack.platform.until(() => fault.hits > 0, "the worker reads");
      await worker.kill();
      fault.remove();
      stage.process("worker");
      stage.up();
      await stage.ends(asked, "approved");
    },
  },
  {
    row: 5,
    name: "SIGKILL of the worker between the audit write and its completion",
    async run(field) {
      const stage = await withBridge(field);
      const worker = stage.process("worker");
      const asked = await stage.askAndWait("merge the branch");
      // Freezes it at the moment at which the record is on disk: what it would have told Temporal next dies with it.
      const written = until("the final record", () => {
        if (!stage.stack.audit().some((line) => line.outcome === "granted")) return false;
        worker.send("SIGSTOP");
        return true;
      });
      stage.decide(asked);
      await written;
      await worker.kill();
      stage.process("worker");
      stage.up();
      await stage.ends(asked, "approved");
    },
  },
  {
    row: 6,
    name: "SIGKILL of the worker after the end, before the caller reads",
    async run(field) {
      const stage = await withBridge(field);
      const worker = stage.process("worker");
      const asked = await stage.askAndWait("merge the branch", { requestId: "read-later" });
      stage.decide(asked);
      await untilEvent(stage.stack.temporal, asked.handle.workflowId, "workflowExecutionCompletedEventAttributes");
      await worker.kill();
      const again = await stage.start("merge the branch", { requestId: "read-later" });
      const [first, second] = [await asked.result, await stage.ends(again, "approved")];
      assert.deepEqual(second, first);
    },
  },
  {
    row: 7,
    name: "no worker across the deadline, approved in time: honoured",
    async run(field) {
      const { status } = await acrossDeadline(field, 2);
      assert.equal(status, "approved");
    },
  },
  {
    row: 8,
    name: "no worker across the deadline, approved late: timed_out, and decision.late in the audit log",
    async run(field) {
      const { stage, status } = await acrossDeadline(field, 5);
      assert.equal(status, "timed_out");
      assert.equal(stage.stack.audit().filter((line) => line.action === "decision.late").length, 1);
    },
  },
];
