/** What a closed run left behind, as a result. */
import { CancelledFailure, TerminatedFailure, TimeoutFailure } from "@temporalio/client";
import type { WorkflowFailedError } from "@temporalio/client";
import { messageOf } from "../domain/errors.ts";
import { STATUSES } from "../domain/outcome.ts";
import type { ApprovalResult, Cancelled, Failed } from "../domain/outcome.ts";
import { redact } from "../domain/redact.ts";

/** The stored result; anything that is not exactly one is `failed`, never a grant. */
export function decodeResult(value: unknown, workflowId: string): ApprovalResult {
  if (typeof value === "object" && value !== null) {
    const { status, approved, trace_id, workflow_id } = value as Record<string, unknown>;
    const known = STATUSES.find((name) => name === status);
    const whole = typeof trace_id === "string" && typeof workflow_id === "string";
    if (known !== undefined && whole && approved === (known === "approved")) return value as ApprovalResult;
  }
  return failedResult(workflowId, `the workflow ${workflowId} returned something that is not an approval result`);
}

/** The result of a run that ended without one: terminated, failed, cancelled or timed out by Temporal. */
export function resultOfFailure(
  error: WorkflowFailedError,
  workflowId: string,
  secrets: readonly string[],
): ApprovalResult {
  const { cause } = error;
  if (cause instanceof CancelledFailure) return cancelledResult(workflowId);
  const end =
    cause instanceof TerminatedFailure ? "was terminated" : cause instanceof TimeoutFailure ? "timed out" : "failed";
  return failedResult(workflowId, redact(`the workflow ${workflowId} ${end} (${messageOf(cause ?? error)})`, secrets));
}

/** A `failed` of the client's own making. */
export function failedResult(workflowId: string, cause: string): Failed {
  return {
    status: "failed",
    approved: false,
    trace_id: "",
    workflow_id: workflowId,
    error: `Failed to request approval: ${cause}`,
  };
}

/** A `cancelled` where no workflow could say so itself. */
export function cancelledResult(workflowId: string): Cancelled {
  return {
    status: "cancelled",
    approved: false,
    trace_id: "",
    workflow_id: workflowId,
    error: "Cancelled by the caller",
  };
}
