/** What a worker that died has written under this request's final record, and what that makes of the end. */
import { judge } from "../domain/decision.ts";
import type { Window } from "../domain/deadline.ts";
import type { Approved, ApprovalResult } from "../domain/outcome.ts";
import type { Recorded } from "../domain/ports.ts";
import { refusalOf } from "../domain/standing.ts";
import { enter, type Lifecycle } from "./lifecycle.ts";
import { note } from "./record.ts";
import { resultOf } from "./result.ts";
import { confirmPatiently } from "./steps.ts";

/** The end that a worker wrote and could not tell any more, where there is such a record; else `own` (src/domain/standing.ts). */
export async function standingEnd(
  life: Lifecycle,
  { standing }: Recorded,
  own: ApprovalResult,
): Promise<ApprovalResult> {
  if (standing === undefined) return own;
  const refusal = refusalOf(standing, life, life.timeout_seconds);
  if (refusal !== undefined) {
    if (own.status === "approved" || own.status === "denied") {
      const { status, approval_id, decided_by } = own;
      const decided_at = own.status === "approved" ? own.decided_at : undefined;
      const when = decided_at === undefined ? {} : { decided_at };
      await note(life, "decision.late", approval_id, { status, decided_by, ...when, cause: "after_end" });
    }
    return refusal;
  }
  const decided = standing.outcome === "granted" ? await decidedAfterAll(life) : undefined;
  if (decided !== undefined) return decided;
  return own.status === "approved"
    ? failedOf(life, own, `a record of "${standing.outcome}" stands in its place`)
    : { ...own, audited: false };
}

/** A file grants nothing: the platform is asked, for as long as it is away. */
async function decidedAfterAll(life: Lifecycle): Promise<ApprovalResult | undefined> {
  const { approval_id, deadline_ms } = life;
  if (approval_id === undefined || deadline_ms === undefined) return undefined;
  enter(life, "confirming");
  const input = {
    workspace_id: life.request.workspace_id,
    task_id: life.task_id,
    approval_id,
    hints: life.hints.kept,
  };
  const reading = await confirmPatiently(input).catch(() => undefined);
  if (reading === undefined) return undefined;
  const { verdict } = judge(reading, approval_id, windowOf(life, deadline_ms));
  return verdict.kind === "decided" ? resultOf(life, verdict) : undefined;
}

function windowOf(life: Lifecycle, deadline_ms: number): Window {
  return {
    timeout_ms: life.timeout_seconds * 1_000,
    poll_interval_ms: life.settings.poll_interval_seconds * 1_000,
    deadline_ms,
    read_at_ms: Date.now(),
  };
}

/** A grant that must not be returned, because its record is not there. */
export function failedOf({ trace_id, workflow_id }: Lifecycle, { approval_id }: Approved, why: string): ApprovalResult {
  const error = `Approved, but the record could not be written: ${why}`;
  return { status: "failed", approved: false, approval_id, error, trace_id, workflow_id };
}
