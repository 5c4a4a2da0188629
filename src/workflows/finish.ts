/** The last step of an approval: the final record, and only then the result. */
import { finalRecord, type FinalFacts } from "../domain/audit-record.ts";
import { messageOf } from "../domain/errors.ts";
import type { Approved, ApprovalResult } from "../domain/outcome.ts";
import type { Ending } from "./ending.ts";
import { enter, type Lifecycle } from "./lifecycle.ts";
import { baseOf, note } from "./record.ts";
import { resultOf } from "./result.ts";
import { failedOf, standingEnd } from "./standing-end.ts";
import { recordOnce, recordOutcome } from "./steps.ts";

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
    const written = await write({ record: finalRecord(baseOf(life), result, facts), required });
    return end(written.recorded ? await standingEnd(life, written, result) : { ...result, audited: false });
  } catch (error) {
    if (result.status !== "approved") return end({ ...result, audited: false });
    return end(await settle(life, result, failedOf(life, result, messageOf(error))));
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
async function settle(life: Lifecycle, granted: Approved, failed: ApprovalResult): Promise<ApprovalResult> {
  const record = finalRecord(baseOf(life), failed, { reason: "audit_failed" });
  try {
    const written = await recordOnce({ record, required: true });
    return written.outcome === "granted" ? granted : await standingEnd(life, written, failed);
  } catch {
    return { ...failed, audited: false };
  }
}
