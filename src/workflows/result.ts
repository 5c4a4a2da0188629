/** From an ending to the wire object that the agent gets. */
import type { Decision } from "../domain/decision.ts";
import { timedOutText, type ApprovalResult } from "../domain/outcome.ts";
import type { Ending } from "./ending.ts";
import type { Lifecycle } from "./lifecycle.ts";

export function resultOf(life: Lifecycle, ending: Ending): ApprovalResult {
  const ids = { trace_id: life.trace_id, workflow_id: life.workflow_id };
  const known = life.approval_id === undefined ? {} : { approval_id: life.approval_id };
  switch (ending.kind) {
    case "decided":
      return decided(ending.decision, ids);
    case "expired":
      return {
        status: "expired",
        approved: false,
        approval_id: ending.approval_id,
        message: "Expired on the platform before anyone decided",
        ...ids,
      };
    case "late":
      return timedOut(life, ending.approval_id, false);
    case "timed_out":
      return timedOut(life, life.approval_id as string, ending.withdrawn);
    case "withdrawn":
      return ending.timed_out
        ? timedOut(life, ending.approval_id, true)
        : { status: "cancelled", approved: false, ...known, withdrawn: true, error: "Cancelled by the caller", ...ids };
    case "cancelled":
      return {
        status: "cancelled",
        approved: false,
        ...known,
        ...(ending.withdrawn === undefined ? {} : { withdrawn: ending.withdrawn }),
        error: "Cancelled by the caller",
        ...ids,
      };
    case "forbidden":
      return { status: "forbidden", approved: false, error: ending.error, ...ids };
    case "failed":
      return { status: "failed", approved: false, ...known, error: ending.error, ...ids };
  }
}

function timedOut(life: Lifecycle, approvalId: string, withdrawn: boolean): ApprovalResult {
  return {
    status: "timed_out",
    approved: false,
    approval_id: approvalId,
    withdrawn,
    error: timedOutText(life.timeout_seconds),
    trace_id: life.trace_id,
    workflow_id: life.workflow_id,
  };
}

function decided(decision: Decision, ids: { trace_id: string; workflow_id: string }): ApprovalResult {
  const { approval_id, decided_by, comment } = decision;
  const said = comment === undefined ? {} : { comment };
  return decision.status === "approved"
    ? {
        status: "approved",
        approved: true,
        approval_id,
        decided_by,
        ...(decision.decided_at === undefined ? {} : { decided_at: decision.decided_at }),
        verified: decision.verified,
        ...said,
        ...ids,
      }
    : { status: "denied", approved: false, approval_id, decided_by, message: "Denied by human", ...said, ...ids };
}
