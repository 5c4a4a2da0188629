/** One outcome, everywhere: what the caller got, what Temporal keeps, what the audit log says, and where the platform stands. */
import assert from "node:assert/strict";
import type { ApprovalResult, Status } from "../../src/domain/outcome.ts";
import type { Stack } from "./stack.ts";

const FINAL: { readonly [status in Status]: string } = {
  approved: "granted",
  denied: "denied",
  expired: "denied",
  timed_out: "timeout",
  forbidden: "denied",
  failed: "failure",
  cancelled: "cancelled",
};
const NEVER_FINAL = ["requested", "skipped"];

/** Of a request that reached the platform once. `audited: false` in the result means that no final record is expected. */
export async function assertOneOutcome(stack: Stack, result: ApprovalResult): Promise<void> {
  const lines = stack.audit(result.trace_id);
  const final = lines.filter((line) => !NEVER_FINAL.includes(line.outcome)).map((line) => line.outcome);
  assert.deepEqual(final, result.audited === false ? [] : [FINAL[result.status]], "final records of the trace");
  const eventIds = lines.map((line) => line["event_id"]);
  assert.equal(new Set(eventIds).size, eventIds.length, "every event is recorded once");

  const stored: unknown = await stack.temporal.workflow.getHandle(result.workflow_id).result();
  assert.deepEqual(stored, result, "the result in Temporal");

  const own = stack.platform
    .approvals(stack.workspaceId)
    .filter((approval) => approval.task_id.startsWith(`${result.workflow_id}#`));
  assert.equal(own.length, 1, "approvals on the platform that carry this request's task id");
  const [approval] = own;
  assert.equal("approval_id" in result && result.approval_id, approval?.id);
  if (result.status === "approved" || result.status === "denied") {
    assert.deepEqual([approval?.status, approval?.decided_by], [result.status, result.decided_by]);
    assert.equal(lines.filter((line) => line.outcome === "requested").length, 1);
  }
  if (result.status === "timed_out" && result.withdrawn) {
    assert.deepEqual([approval?.status, approval?.decided_by], ["denied", "countersign:timed_out"]);
  }
}
