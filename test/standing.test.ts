import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { openAuditLog } from "../src/audit/audit-log.ts";
import { finalRecord } from "../src/domain/audit-record.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import { refusalOf, standingOf } from "../src/domain/standing.ts";
import { untilEvent } from "./support/history.ts";
import { assertOneOutcome } from "./support/one-outcome.ts";
import type { PlatformApproval } from "./support/platform-store.ts";
import { startStack, type Stack } from "./support/stack.ts";
import { until } from "./support/until.ts";

interface Waiting {
  readonly stack: Stack;
  readonly approval: PlatformApproval;
  readonly result: Promise<ApprovalResult>;
  /** Writes a final record, as a worker does that dies before it can tell anybody. */
  write(end: (ids: { trace_id: string; workflow_id: string }) => ApprovalResult): Promise<void>;
}

async function waiting(t: TestContext, timeoutSeconds: number): Promise<Waiting> {
  const stack = await startStack();
  t.after(() => stack.stop());
  const handle = await stack.approvals.start("drop the table", "because", { timeoutSeconds });
  const approval = await stack.platform.nextApproval(stack.workspaceId);
  await untilEvent(stack.temporal, handle.workflowId, "timerStartedEventAttributes");
  const result = handle.result({ signal: t.signal });
  result.catch(() => {});
  return {
    stack,
    approval,
    result,
    async write(end) {
      const [requested] = stack.audit();
      const ids = { trace_id: requested?.trace_id ?? "", workflow_id: handle.workflowId };
      const base = { ...ids, workspace_id: stack.workspaceId, task_id: approval.task_id, time_ms: Date.now() };
      const log = openAuditLog({ path: stack.config.audit.path, required: true, secrets: [] });
      await log.append(finalRecord({ ...base, action: approval.action }, end(ids)));
      await log.close();
    },
  };
}

const granted = (approval_id: string) => (ids: { trace_id: string; workflow_id: string }) =>
  ({ status: "approved", approved: true, approval_id, decided_by: "ana", verified: true, ...ids }) as const;

describe("a final record of a worker that died before it could tell", { concurrency: 3 }, () => {
  test("that is a grant is told when the platform can be read again, however late", async (t) => {
    const { stack, approval, result, write } = await waiting(t, 3);
    const down = stack.platform.fault({ path: /\/approvals/, answer: { status: 503 } });
    stack.platform.decide(approval.id, "approved", "ana", { silent: true });
    await write(granted(approval.id));
    const handle = stack.temporal.workflow.getHandle(approval.task_id.split("#")[0] ?? "");
    // The reading that outlasts every deadline is the only regular activity after the creation.
    await until(
      "the reading after the end of all others",
      async () =>
        (await handle.describe()).raw.pendingActivities?.some((one) => one.activityType?.name === "confirmDecision"),
      45_000,
    );
    down.remove();
    const ended = await result;
    assert.equal(ended.status, "approved");
    await assertOneOutcome(stack, ended);
  });

  test("that is a grant, but forged, grants nothing", async (t) => {
    const { stack, approval, result, write } = await waiting(t, 3);
    await write(granted(approval.id));
    const ended = await result;
    assert.deepEqual([ended.status, ended.approved, ended.audited], ["timed_out", false, false]);
    assert.equal(stack.platform.approvals(stack.workspaceId)[0]?.decided_by, "countersign:timed_out");
  });

  test("that is a refusal is the end, whatever a person decides after it", async (t) => {
    const { stack, approval, result, write } = await waiting(t, 30);
    await write((ids) => ({
      status: "timed_out",
      approved: false,
      approval_id: approval.id,
      withdrawn: false,
      error: "Timed out after 30s waiting for human decision",
      ...ids,
    }));
    stack.platform.decide(approval.id, "approved", "ana");
    const ended = await result;
    assert.deepEqual(
      [ended.status, ended.status === "timed_out" && ended.withdrawn, ended.audited],
      ["timed_out", false, undefined],
    );
    await until("the record of the decision that did not count", () =>
      stack.audit(ended.trace_id).some((line) => line.action === "decision.late"),
    );
    await assertOneOutcome(stack, ended);
  });
});

describe("a standing record", () => {
  const ids = { trace_id: "t", workflow_id: "w" };
  const base = { ...ids, workspace_id: "ws", task_id: "w#1", action: "drop", time_ms: 1_770_000_000_000 };
  const ends: readonly ApprovalResult[] = [
    { status: "denied", approved: false, approval_id: "a", decided_by: "bob", message: "Denied by human", ...ids },
    {
      status: "denied",
      approved: false,
      approval_id: "a",
      decided_by: "",
      message: "Denied by human",
      comment: "no",
      ...ids,
    },
    {
      status: "expired",
      approved: false,
      approval_id: "a",
      message: "Expired on the platform before anyone decided",
      ...ids,
    },
    {
      status: "timed_out",
      approved: false,
      approval_id: "a",
      withdrawn: true,
      error: "Timed out after 7s waiting for human decision",
      ...ids,
    },
    { status: "forbidden", approved: false, error: "RBAC: no", ...ids },
    { status: "failed", approved: false, approval_id: "a", error: "Failed to create request: 500", ...ids },
    { status: "failed", approved: false, error: "Failed to create request: 500", ...ids },
    {
      status: "cancelled",
      approved: false,
      approval_id: "a",
      withdrawn: true,
      error: "Cancelled by the caller",
      ...ids,
    },
  ];
  for (const end of ends) {
    test(`of ${end.status} ${"decided_by" in end ? `by "${end.decided_by}" ` : ""}tells that end again`, () => {
      const { extras, ...record } = finalRecord(base, end, { timeout_seconds: 7 });
      assert.deepEqual(refusalOf(standingOf({ ...record, ...extras }), ids, 7), end);
    });
  }

  for (const fields of [
    undefined,
    {},
    { outcome: 7 },
    { outcome: "granted", approval_id: "a" },
    { outcome: "requested" },
  ]) {
    test(`of ${JSON.stringify(fields)} is no refusal, and no grant either`, () =>
      assert.equal(refusalOf(standingOf(fields), ids, 7), undefined));
  }
});
