/** The audit records of one approval, and the last step: the final record before the result. */
import {
  finalRecord,
  noteRecord,
  type AuditRecord,
  type FinalFacts,
  type RecordBase,
  type Seen,
} from "../domain/audit-record.ts";
import { messageOf } from "../domain/errors.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import type { Ending } from "./ending.ts";
import { enter, type Lifecycle } from "./lifecycle.ts";
import { resultOf } from "./result.ts";
import { recordOnce, recordOutcome } from "./steps.ts";

export function baseOf(life: Lifecycle): RecordBase {
  return {
    workspace_id: life.workspace_id,
    workflow_id: life.workflow_id,
    task_id: life.task_id,
    trace_id: life.trace_id,
    action: life.action,
    time_ms: Date.now(),
  };
}

/** Writes a record that the lifecycle cannot do without; throws where it cannot be written although records are required. */
export async function recordRequired(life: Lifecycle, record: AuditRecord): Promise<void> {
  await recordOutcome({ record, required: life.settings.audit_required });
}

/** Writes a side record, once per kind and approval. It explains; nothing depends on it. */
export async function note<K extends keyof Seen>(
  life: Lifecycle,
  kind: K,
  approvalId: string,
  seen: Seen[K],
): Promise<void> {
  const record = noteRecord(baseOf(life), kind, approvalId, seen);
  if (life.noted.has(record.event_key)) return;
  life.noted.add(record.event_key);
  await recordOnce({ record, required: life.settings.audit_required }).catch(() => undefined);
}

/** Records the end and returns it. Nothing is granted without its record. */
export async function finish(life: Lifecycle, ending: Ending): Promise<ApprovalResult> {
  enter(life, "recording");
  if (ending.kind === "late" && ending.decision !== undefined) {
    const { approval_id, verified: _, comment: __, ...said } = ending.decision;
    await note(life, "decision.late", approval_id, { ...said, cause: ending.cause });
  }
  const result = resultOf(life, ending);
  const required = life.settings.audit_required;
  const facts: FinalFacts = {
    timeout_seconds: life.timeout_seconds,
    ...(ending.kind === "forbidden" ? { roles: ending.roles } : {}),
    ...(ending.kind === "failed" ? { reason: ending.reason ?? "submit_failed" } : {}),
    ...(ending.kind === "decided" ? decisionFacts(ending) : {}),
  };
  const end = (last: ApprovalResult): ApprovalResult => {
    life.status = last.status;
    enter(life, "closed");
    return last;
  };
  // A minute of attempts has just gone by for the record of the request.
  const write = ending.kind === "failed" && ending.reason === "audit_failed" ? recordOnce : recordOutcome;
  try {
    const { recorded } = await write({ record: finalRecord(baseOf(life), result, facts), required });
    return end(recorded ? result : { ...result, audited: false });
  } catch (error) {
    if (result.status !== "approved") return end({ ...result, audited: false });
    const failed: ApprovalResult = {
      status: "failed",
      approved: false,
      approval_id: result.approval_id,
      error: `Approved, but the record could not be written: ${messageOf(error)}`,
      trace_id: life.trace_id,
      workflow_id: life.workflow_id,
    };
    return end(await settle(life, result, failed));
  }
}

function decisionFacts({ decision, deadline }: Extract<Ending, { kind: "decided" }>): FinalFacts {
  return {
    ...(decision.decided_at === undefined ? {} : { decided_at: decision.decided_at }),
    verified: decision.verified,
    ...(deadline === undefined ? {} : { deadline }),
  };
}

/** Both records have the same event id, so the disk tells whether the grant was written after all. */
async function settle(life: Lifecycle, granted: ApprovalResult, failed: ApprovalResult): Promise<ApprovalResult> {
  const record = finalRecord(baseOf(life), failed, { reason: "audit_failed" });
  try {
    const { outcome } = await recordOnce({ record, required: true });
    return outcome === "granted" ? granted : failed;
  } catch {
    return { ...failed, audited: false };
  }
}
