/** Rows 1 to 8: the worker dies at every point of a request, or is away across its deadline. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventsOf, untilEvent } from "../../test/support/history.ts";
import type { PartProcess } from "../../test/support/processes.ts";
import { until } from "../../test/support/until.ts";
import type { Asked, AskOptions, Field, Stage } from "../field.ts";
import { holdsOpen, TELLS_OPEN_FILES } from "../open-files.ts";
import type { Figures, Row } from "../row.ts";
import { SLOW_CONFIG } from "../slow-config.ts";

/** A request whose timer runs, and the worker that is to die. */
async function waiting(
  field: Field,
  action: string,
  options?: AskOptions,
): Promise<{ stage: Stage; worker: PartProcess; asked: Asked }> {
  const stage = await field.stage({ bridge: true });
  const worker = stage.process("worker");
  return { stage, worker, asked: await stage.askAndWait(action, options) };
}

/** The worker dies, and the next one takes over. */
async function replace(stage: Stage, worker: PartProcess): Promise<PartProcess> {
  await worker.kill();
  const next = stage.process("worker");
  stage.up();
  return next;
}

/** The worker is away while the timer fires; what was decided is told to the next one. */
async function acrossDeadline(field: Field, decidedAfterSeconds: number): Promise<{ stage: Stage; status: string }> {
  const { stage, worker, asked } = await waiting(field, "rotate the keys", { timeoutSeconds: 3 });
  await worker.kill();
  await untilEvent(stage.stack.temporal, asked.handle.workflowId, "timerFiredEventAttributes");
  const created = Date.parse(asked.approval.created_at);
  await until("the end of the grace", () => Date.now() > created + 5_500);
  stage.decide(asked, "approved", { decidedAt: new Date(created + decidedAfterSeconds * 1_000) });
  stage.process("worker");
  stage.up();
  return { stage, status: (await asked.result).status };
}

/** Killed once it is frozen at this point, before or within the permission check. The next worker checks, creates once, and grants. */
async function beforeCreation(
  field: Field,
  freeze: (stage: Stage, first: PartProcess) => Promise<Awaited<ReturnType<Stage["start"]>>>,
): Promise<void> {
  const stage = await field.stage({ bridge: true });
  const first = stage.process("worker");
  await first.ready();
  const started = await freeze(stage, first);
  const history = () => eventsOf(stage.stack.temporal, started.handle.workflowId);
  await until("the start is in history", async () => (await history()).length >= 2);
  const isDone = (events: Awaited<ReturnType<typeof history>>) =>
    events.some((one) => one.markerRecordedEventAttributes != null || one.workflowTaskCompletedEventAttributes != null);
  assert.ok(!isDone(await history()), "nothing is checked");
  const next = await replace(stage, first);
  const approval = await stage.stack.platform.nextApproval(stage.stack.workspaceId);
  const checked = (await history()).find((one) => one.workflowTaskCompletedEventAttributes != null);
  const by = checked?.workflowTaskCompletedEventAttributes?.identity ?? "";
  assert.ok(by.startsWith(`${next.pid}@`), `checked by ${by}`);
  await stage.grants({ ...started, approval });
  assert.equal(stage.stack.platform.count("POST", "/approvals"), 1);
}

async function beforeCheck(field: Field): Promise<void> {
  await beforeCreation(field, async (stage, first) => {
    // Frozen it takes the first task, or it is taken from it: either way nothing is checked before it dies.
    first.send("SIGSTOP");
    return await stage.start("drop the table");
  });
}

async function withinCheck(field: Field): Promise<Figures> {
  if (!TELLS_OPEN_FILES) {
    await beforeCheck(field);
    return { killed: "before the check; what it holds open cannot be seen here" };
  }
  let seen_ms = 0;
  await beforeCreation(field, async (stage, first) => {
    const file = join(stage.stack.config.configFolder, "config.yaml");
    await writeFile(file, SLOW_CONFIG);
    const from = performance.now();
    const started = await stage.start("drop the table");
    await until("config.yaml is open", () => holdsOpen(first.pid, file));
    seen_ms = Math.round(performance.now() - from);
    // What is frozen dies where it stands, and can be looked at before.
    first.send("SIGSTOP");
    assert.ok(holdsOpen(first.pid, file), "it is still in the check");
    return started;
  });
  return { killed: "with config.yaml open", seen_ms };
}

export const WORKER_KILLED: readonly Row[] = [
  { row: 1, name: "SIGKILL of the worker before the permission is checked", run: beforeCheck },
  { row: 1, name: "SIGKILL of the worker in the middle of the permission check", run: withinCheck },
  {
    row: 2,
    name: "SIGKILL of the worker after its POST has reached the platform",
    async run(field) {
      const stage = await field.stage({ bridge: true });
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
      const { stage, worker, asked } = await waiting(field, "drop the table");
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
      const { stage, worker, asked } = await waiting(field, "merge the branch");
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
      const { stage, worker, asked } = await waiting(field, "merge the branch");
      // Freezes it at the moment at which the record is on disk: what it would have told Temporal next dies with it.
      const written = until("the final record", () => {
        if (!stage.stack.audit().some((line) => line.outcome === "granted")) return false;
        worker.send("SIGSTOP");
        return true;
      });
      stage.decide(asked);
      await written;
      await replace(stage, worker);
      await stage.ends(asked, "approved");
    },
  },
  {
    row: 6,
    name: "SIGKILL of the worker after the end, before the caller reads",
    async run(field) {
      const { stage, worker, asked } = await waiting(field, "merge the branch", { requestId: "read-later" });
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
