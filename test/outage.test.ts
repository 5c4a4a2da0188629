import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import type { ApprovalHandle } from "../src/client/handle.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import { eventsOf, hintSources, signalsOf, untilEvent, untilWatch } from "./support/history.ts";
import { assertOneOutcome } from "./support/one-outcome.ts";
import type { PlatformApproval } from "./support/platform-store.ts";
import { startStack, type AuditLine, type Stack, type StackOptions } from "./support/stack.ts";
import { until } from "./support/until.ts";

/** One test, one stack: outages of one must not be seen by another. */
async function stackFor(t: TestContext, options: StackOptions = {}): Promise<Stack> {
  const stack = await startStack(options);
  t.after(() => stack.stop());
  return stack;
}

interface Waiting {
  readonly handle: ApprovalHandle;
  readonly approval: PlatformApproval;
  readonly createdMs: number;
  readonly result: Promise<ApprovalResult>;
}

/** A request whose timer runs. */
async function askAndWait(
  signal: AbortSignal,
  stack: Stack,
  action: string,
  timeoutSeconds?: number,
): Promise<Waiting> {
  const options = timeoutSeconds === undefined ? {} : { timeoutSeconds };
  const handle = await stack.approvals.start(action, "because", options);
  const approval = await stack.platform.nextApproval(stack.workspaceId, (one) => one.action === action);
  await untilEvent(stack.temporal, handle.workflowId, "timerStartedEventAttributes");
  // A test that fails early must not listen on for ever.
  const result = handle.result({ signal });
  result.catch(() => {});
  return { handle, approval, createdMs: Date.parse(approval.created_at), result };
}

function lateRecords(stack: Stack, traceId: string): AuditLine[] {
  return stack.audit(traceId).filter((line) => line.action === "decision.late");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A folder in its place: also root cannot write that. */
function breakAuditLog(stack: Stack): { readonly records: string } {
  const records = `${stack.config.audit.path}.kept`;
  renameSync(stack.config.audit.path, records);
  mkdirSync(stack.config.audit.path);
  return { records };
}

function mendAuditLog(stack: Stack, records: string): void {
  rmSync(stack.config.audit.path, { recursive: true });
  renameSync(records, stack.config.audit.path);
}

// The longest come first: a minute of attempts, and the time for the last reading.
describe("an outage", { concurrency: 3 }, () => {
  describe("when the audit log cannot be written for longer than a minute", () => {
    let stack: Stack;
    let approved: Waiting;
    let timedOut: Waiting;
    let unrecorded: ApprovalHandle;
    const ender = new AbortController();
    before(async () => {
      stack = await startStack();
      approved = await askAndWait(ender.signal, stack, "an approved one", 20);
      timedOut = await askAndWait(ender.signal, stack, "a forgotten one", 3);
      const { records } = breakAuditLog(stack);
      stack.platform.decide(approved.approval.id, "approved", "ana");
      unrecorded = await stack.approvals.start("one that comes too late for the log", "because");
      await Promise.all([approved.result, timedOut.result, unrecorded.result({ signal: ender.signal })]);
      mendAuditLog(stack, records);
    });
    after(async () => {
      ender.abort();
      await stack.stop();
    });

    test("an approval becomes failed, because nothing is granted without its record", async () => {
      const result = await approved.result;
      assert.equal(result.status, "failed");
      assert.match(result.status === "failed" ? result.error : "", /^Approved, but the record could not be written: /);
      assert.equal(result.audited, false);
      await assertOneOutcome(stack, result);
    });

    test("a timeout stands, and says that it was not recorded", async () => {
      const result = await timedOut.result;
      assert.equal(result.status, "timed_out");
      assert.equal(result.audited, false);
      await assertOneOutcome(stack, result);
    });

    test("a request that cannot be recorded is withdrawn and failed", async () => {
      const result = await unrecorded.result();
      assert.equal(result.status, "failed");
      assert.match(
        result.status === "failed" ? result.error : "",
        /^The request could not be recorded and was withdrawn: /,
      );
      const [standing] = stack.platform.approvals(stack.workspaceId).slice(-1);
      assert.deepEqual([standing?.status, standing?.decided_by], ["denied", "countersign:failed"]);
      await assertOneOutcome(stack, result);
      const { startTime, closeTime } = await stack.temporal.workflow.getHandle(unrecorded.workflowId).describe();
      const seconds = ((closeTime?.getTime() ?? Infinity) - startTime.getTime()) / 1_000;
      assert.ok(seconds < 90, `one minute of attempts and not two: it took ${seconds} s`);
    });
  });

  describe("when the platform is unreachable across the deadline", { concurrency: 2 }, () => {
    async function timeOutUnreachable(
      t: TestContext,
      stack: Stack,
    ): Promise<{ waiting: Waiting; ended: ApprovalResult }> {
      const waiting = await askAndWait(t.signal, stack, "delete the backups", 3);
      await stack.platform.stop({ keepState: true });
      const ended = await waiting.result;
      assert.equal(ended.status, "timed_out");
      assert.equal(ended.status === "timed_out" && ended.withdrawn, false);
      await assertOneOutcome(stack, ended);
      return { waiting, ended };
    }

    test("the request is timed_out, and the watch withdraws it when the platform is back", async (t) => {
      const stack = await stackFor(t);
      const { waiting, ended } = await timeOutUnreachable(t, stack);
      const standing = () => stack.platform.approvals(stack.workspaceId).find((one) => one.id === waiting.approval.id);
      assert.equal(standing()?.status, "pending");
      await stack.platform.start();
      await stack.platform.until(() => standing()?.status !== "pending", "the withdrawal of the orphan");
      assert.deepEqual([standing()?.status, standing()?.decided_by], ["denied", "countersign:orphaned"]);
      assert.deepEqual(lateRecords(stack, ended.trace_id), []);
      await assertOneOutcome(stack, ended);
    });

    test("a person's decision before that changes nothing and is recorded as decision.late, once", async (t) => {
      const stack = await stackFor(t);
      const { waiting, ended } = await timeOutUnreachable(t, stack);
      stack.platform.decide(waiting.approval.id, "approved", "ana");
      await stack.platform.start();
      await until("the record of the late decision", () => lateRecords(stack, ended.trace_id).length > 0);
      // A stream that connects after the sweep's list reports it a second time.
      await stack.platform.untilConnected(stack.workspaceId);
      await until("two reports", async () => {
        const signals = await signalsOf(stack.temporal, `watch:${stack.workspaceId}`);
        return signals.filter((signal) => signal.name === "late").length >= 2;
      });
      await untilWatch(stack.temporal, stack.workspaceId, "streaming", (state) => state.mode === "stream");
      const [late, ...others] = lateRecords(stack, ended.trace_id);
      assert.equal(others.length, 0);
      assert.deepEqual([late?.["decided_by"], late?.["status"]], ["ana", "approved"]);
      assert.equal(late?.["event_id"], sha256(`${waiting.approval.task_id}|${waiting.approval.id}|decision.late`));
      await assertOneOutcome(stack, ended);
    });
  });

  describe("when no worker runs across the deadline", { concurrency: 2 }, () => {
    const TIMEOUT_SECONDS = 5;
    const POLL_SECONDS = 1;

    /** Stops the worker, lets Temporal's timer fire, has the platform decide, and starts a worker again. */
    async function decideInOutage(t: TestContext, stack: Stack, afterSeconds: number): Promise<Waiting> {
      const worker = stack.startWorker();
      const waiting = await askAndWait(t.signal, stack, "rotate the keys", TIMEOUT_SECONDS);
      await worker.stop();
      const fired = await untilEvent(stack.temporal, waiting.handle.workflowId, "timerFiredEventAttributes");
      assert.ok(fired.timerFiredEventAttributes);
      // A reading in the grace would count where the platform tells no times.
      const graceEnd = waiting.createdMs + (TIMEOUT_SECONDS + POLL_SECONDS + 2) * 1_000;
      await until("the end of the grace", () => Date.now() > graceEnd);
      stack.platform.decide(waiting.approval.id, "approved", "ana", {
        decidedAt: new Date(waiting.createdMs + afterSeconds * 1_000),
      });
      await until(
        "the hint in the history",
        async () => (await hintSources(stack.temporal, waiting.handle.workflowId)).length > 0,
      );
      stack.startWorker();
      return waiting;
    }

    const env = { APPROVAL_POLL_INTERVAL: String(POLL_SECONDS) };

    test("an approval after the deadline is timed_out and recorded as decision.late, once", async (t) => {
      const stack = await stackFor(t, { worker: false, bridge: false, env });
      let bridge = stack.startBridge();
      const { handle, approval, result } = await decideInOutage(t, stack, TIMEOUT_SECONDS + POLL_SECONDS + 1);
      const ended = await result;
      assert.equal(ended.status, "timed_out");
      assert.equal(ended.status === "timed_out" && ended.withdrawn, false);
      const [late, ...others] = lateRecords(stack, ended.trace_id);
      assert.deepEqual(
        [late?.["cause"], late?.["decided_by"], late?.["status"], others.length],
        ["after_deadline", "ana", "approved", 0],
      );
      assert.equal(late?.["event_id"], sha256(`${approval.task_id}|${approval.id}|decision.late`));
      await assertOneOutcome(stack, ended);

      // A bridge that remembers nothing reports the same decision to the watch, which must not record it again.
      await bridge.stop();
      bridge = stack.startBridge();
      const watch = `watch:${stack.workspaceId}`;
      await until("the watch's attempt to record the late decision", async () => {
        const events = await eventsOf(stack.temporal, watch);
        const told = events.findIndex((event) => event.workflowExecutionSignaledEventAttributes?.signalName === "late");
        return told !== -1 && events.slice(told).some((event) => event.markerRecordedEventAttributes != null);
      });
      assert.deepEqual(lateRecords(stack, ended.trace_id), [late]);
      assert.ok(handle.workflowId.startsWith(`approval:${stack.workspaceId}:`));
    });

    test("an approval before the deadline is honoured", async (t) => {
      const stack = await stackFor(t, { worker: false, env });
      const { result } = await decideInOutage(t, stack, TIMEOUT_SECONDS - 1);
      const ended = await result;
      assert.equal(ended.status, "approved");
      assert.deepEqual(lateRecords(stack, ended.trace_id), []);
      await assertOneOutcome(stack, ended);
    });

    test("an approval on a platform that tells no times is timed_out, for it cannot be shown to be in time", async (t) => {
      const stack = await stackFor(t, { worker: false, env, platform: { minimal: true } });
      const { result } = await decideInOutage(t, stack, TIMEOUT_SECONDS - 1);
      const ended = await result;
      assert.equal(ended.status, "timed_out");
      assert.deepEqual(
        lateRecords(stack, ended.trace_id).map((line) => line["cause"]),
        ["time_unknown"],
      );
      await assertOneOutcome(stack, ended);
    });
  });

  describe("when the platform's events do not arrive", () => {
    test("a decision made while no bridge ran is found by the list of the next one", async (t) => {
      // So long an interval that after its first list the sweep cannot be the finder.
      const stack = await stackFor(t, { bridge: false, env: { APPROVAL_POLL_INTERVAL: "120" } });
      const bridge = stack.startBridge();
      await stack.platform.untilConnected(stack.workspaceId);
      const { handle, approval, result } = await askAndWait(t.signal, stack, "grow the cluster");
      await untilWatch(stack.temporal, stack.workspaceId, "streaming", (state) => state.mode === "stream");
      let lists = 0;
      stack.platform.onList = (items) => {
        lists += 1;
        return items;
      };
      await bridge.stop();
      await stack.platform.until(() => lists > 0, "the first sweep");
      stack.platform.decide(approval.id, "denied", "ben");
      stack.startBridge();
      const ended = await result;
      assert.equal(ended.status, "denied");
      assert.deepEqual(await hintSources(stack.temporal, handle.workflowId), ["socket"]);
      await assertOneOutcome(stack, ended);
    });

    test("a decision is found by the sweep while the platform refuses the socket", async (t) => {
      const stack = await stackFor(t, { platform: { refuseSocket: 503 } });
      const { handle, approval, result } = await askAndWait(t.signal, stack, "shrink the cluster");
      stack.platform.decide(approval.id, "approved", "ana");
      const ended = await result;
      assert.equal(ended.status, "approved");
      assert.deepEqual(new Set(await hintSources(stack.temporal, handle.workflowId)), new Set(["sweep"]));
      await assertOneOutcome(stack, ended);
    });
  });

  test("a token that the platform refuses in mid-wait keeps the request waiting until the token file has the new one", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "countersign-token-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const tokenFile = join(folder, "token");
    const stack = await stackFor(t, { worker: false, bridge: false });
    writeFileSync(tokenFile, stack.token);
    const env = { PLATFORM_TOKEN: "", PLATFORM_TOKEN_FILE: tokenFile };
    stack.startWorker(env);
    stack.startBridge(env);
    await stack.platform.untilConnected(stack.workspaceId);
    const { handle, approval, result } = await askAndWait(t.signal, stack, "publish the release");

    stack.platform.setToken(stack.workspaceId, "the-next-token");
    const read = () => stack.platform.requests.filter((one) => one.path.includes("/approvals?ids=")).length;
    const before = read();
    // The open socket goes on and brings the hint, but nothing can be read.
    stack.platform.decide(approval.id, "approved", "ana");
    await stack.platform.until(() => read() >= before + 2, "two readings with the old token");
    await untilWatch(stack.temporal, stack.workspaceId, "the worker says that it is refused", ({ workers }) =>
      Object.values(workers).some((problems) => problems.some((problem) => problem.includes("401"))),
    );
    assert.equal((await stack.temporal.workflow.getHandle(handle.workflowId).describe()).status.name, "RUNNING");

    writeFileSync(tokenFile, "the-next-token");
    const ended = await result;
    assert.equal(ended.status, "approved");
    await untilWatch(stack.temporal, stack.workspaceId, "the worker is well again", ({ workers }) =>
      Object.values(workers).every((problems) => problems.length === 0),
    );
    await assertOneOutcome(stack, ended);
  });

  test("an approval is granted when the audit log comes back in time", async (t) => {
    const stack = await stackFor(t);
    const { approval, result } = await askAndWait(t.signal, stack, "restore the backup");
    const { records } = breakAuditLog(stack);
    stack.platform.decide(approval.id, "approved", "ana");
    await until("the worker's complaint", () => stack.log.some((line) => line.includes("audit is in trouble")));
    mendAuditLog(stack, records);
    const ended = await result;
    assert.equal(ended.status, "approved");
    await assertOneOutcome(stack, ended);
  });

  test("an approval is granted without its record where AUDIT_REQUIRED is false", async (t) => {
    const stack = await stackFor(t, { env: { AUDIT_REQUIRED: "false" } });
    const { approval, result } = await askAndWait(t.signal, stack, "restore the backup");
    const { records } = breakAuditLog(stack);
    stack.platform.decide(approval.id, "approved", "ana");
    const ended = await result;
    assert.equal(ended.status, "approved");
    assert.equal(ended.audited, false);
    mendAuditLog(stack, records);
    await assertOneOutcome(stack, ended);
  });
});
