/**
 * Holds what can be seen from outside against the invariants I1 to I5 (docs/reliability.md). Pure: it is given what callers got,
 * what Temporal keeps, the bytes of the audit files, what stands on the platform, and every output. Our own logs prove nothing here,
 * they are only searched for secrets. What its doer did not know, because an answer got lost, is settled here.
 */
import type { PlatformApproval } from "../test/support/platform-store.ts";
import { brokenChains, parsedLines, type Line } from "./audit-trail.ts";
import { isOfUnstarted, type Attempt, type Evidence, type RequestEvidence, type Spell, type Told } from "./witness.ts";

export type Invariant = "I1" | "I2" | "I3" | "I4" | "I5";

export interface Violation {
  readonly invariant: Invariant;
  readonly workflow_id: string;
  readonly text: string;
}

const FINAL = new Map([
  ["approved", "granted"],
  ["denied", "denied"],
  ["expired", "denied"],
  ["timed_out", "timeout"],
  ["forbidden", "denied"],
  ["failed", "failure"],
  ["cancelled", "cancelled"],
]);
const NEVER_FINAL: ReadonlySet<unknown> = new Set(["requested", "skipped"]);

/** Everything that is wrong; an empty list is a pass. */
export function violations(evidence: Evidence): readonly Violation[] {
  const found: Violation[] = [];
  const lines = evidence.audit.flatMap(parsedLines);
  for (const request of evidence.requests) {
    const report = (invariant: Invariant, text: string) =>
      void found.push({ invariant, workflow_id: request.workflow_id, text });
    const own = evidence.approvals.filter((one) => one.task_id.startsWith(`${request.workflow_id}#`));
    ends(evidence, request, own, report);
    // Where a call to start it failed, what that client said is no result of it.
    const results = request.results.filter((one) => request.start === undefined || !isOfUnstarted(one));
    const result = request.stored?.result ?? results[0];
    if (result === undefined) continue;
    isOne(results, result, own, lines, report);
    isExplained(evidence, request, result, report);
    wasGranted(evidence, request, result, report);
    if (evidence.trail_is_whole) isRecorded(result, own, lines, report);
  }
  for (const attempt of evidence.attempts)
    wasKept(evidence, attempt, (text) => found.push({ invariant: "I2", workflow_id: "", text }));
  for (const id of evidence.approved_by_us) {
    found.push({ invariant: "I3", workflow_id: "", text: `the agent's token was used to approve ${id}` });
  }
  if (evidence.trail_is_whole) {
    for (const text of brokenChains(lines)) found.push({ invariant: "I4", workflow_id: "", text });
  }
  for (const { from, text } of evidence.outputs) {
    const shown = evidence.secrets.findIndex((secret) => secret !== "" && text.includes(secret));
    if (shown !== -1)
      found.push({ invariant: "I5", workflow_id: "", text: `${from} holds secret number ${shown + 1}` });
  }
  return found;
}

type Report = (invariant: Invariant, text: string) => void;

/** I1. */
function ends(evidence: Evidence, request: RequestEvidence, own: readonly PlatformApproval[], report: Report): void {
  const { stored, started_ms, timeout_seconds } = request;
  if (stored === undefined) {
    if (own.length > 0) return report("I1", `it is not in Temporal, and ${own.length} of it on the platform`);
    // A request that Temporal never took is told to its caller, unless the caller knows that it cannot know, or it is lost.
    const isKnown = request.start === "unknown" || request.results.some((result) => result["status"] === "failed");
    if (!isKnown) report("I1", "it is not in Temporal");
    return;
  }
  if (stored.status !== "COMPLETED" || stored.closed_ms === undefined) return report("I1", `it is ${stored.status}`);
  const due = Math.max(started_ms + timeout_seconds * 1_000, evidence.up_ms) + evidence.grace_ms;
  if (stored.closed_ms > due) report("I1", `it ended ${stored.closed_ms - due} ms too late`);
}

/** I2. */
function isOne(
  results: readonly Told[],
  result: Told,
  own: readonly PlatformApproval[],
  lines: readonly Line[],
  report: Report,
): void {
  for (const other of results) {
    if (text(other) !== text(result)) report("I2", `a caller got ${text(other)}, Temporal keeps ${text(result)}`);
  }
  const status = String(result["status"]);
  if (!FINAL.has(status)) return report("I2", `${status} is no outcome`);
  if ((status === "approved") !== (result["approved"] === true)) report("I2", `${status}, but approved is otherwise`);
  const approvalId = result["approval_id"];
  const standing = own.find((one) => one.id === approvalId);
  // Whatever the case and the space before it: nobody whose name looks so is a person.
  const isOurs = (one: PlatformApproval) => /^\s*countersign:/i.test(one.decided_by ?? "");
  if (status === "approved" || status === "denied") {
    if (standing?.status !== status || (standing.decided_by ?? "") !== result["decided_by"]) {
      report("I2", `${status} by ${String(result["decided_by"])}, on the platform ${at(standing)}`);
    }
  } else if (status === "expired") {
    if (standing?.decided_by !== "auto-expired") report("I2", `expired, on the platform ${at(standing)}`);
  } else if (result["withdrawn"] === true && (standing === undefined || !isOurs(standing))) {
    report("I2", `${status} and withdrawn, on the platform ${at(standing)}`);
  }
  const noted = (one: PlatformApproval) =>
    lines.some((line) => line["approval_id"] === one.id && line["action"] === "decision.late");
  for (const one of own) {
    if (one.status === "pending" && (status === "approved" || status === "denied" || result["withdrawn"] === true)) {
      report("I2", `${status}, and ${one.id} of the same request is still pending`);
    }
    const byPerson = one.status !== "pending" && !isOurs(one) && one.decided_by !== "auto-expired";
    const counts = one.id === approvalId && one.status === status;
    // Of two decisions the earlier counts, and a failed record makes an approval void: neither is a second outcome.
    const outvoted = status === "approved" || status === "denied" || result["audited"] === false;
    if (byPerson && !counts && !outvoted && !noted(one))
      report("I2", `${status}, on the platform ${at(one)}, unexplained`);
  }
}

/** I2 and I3, for outcomes that need a cause: somebody who withdrew, a config.yaml or a list that could not be read. */
function isExplained({ book }: Evidence, request: RequestEvidence, result: Told, report: Report): void {
  if (book === undefined) return;
  const life: Spell = { from_ms: request.first_ms ?? request.started_ms, to_ms: request.stored?.closed_ms ?? Infinity };
  const during = (spells: readonly Spell[]) =>
    spells.some((one) => one.from_ms <= life.to_ms && one.to_ms >= life.from_ms);
  const status = result["status"];
  if (status === "cancelled" && !book.withdrawals.has(request.workflow_id))
    report("I2", "cancelled, and nobody withdrew it");
  if (status === "forbidden" && !during(book.config_broken)) report("I2", "forbidden, and its roles could be read");
  if (status === "approved" && result["verified"] !== true && !during(book.list_capped)) {
    report("I3", "granted unverified, and the list could show it");
  }
}

/** I2, seen by a person: what was answered as taken stands. */
function wasKept({ approvals }: Evidence, attempt: Attempt, report: (text: string) => void): void {
  const standing = approvals.find((one) => one.id === attempt.approval_id);
  if (attempt.known !== "taken" || standing === undefined) return;
  if (standing.status !== attempt.decision || standing.decided_by !== attempt.by) {
    report(
      `${attempt.by} was told that ${attempt.approval_id} is ${attempt.decision}, on the platform ${at(standing)}`,
    );
  }
}

/** I3. */
function wasGranted(evidence: Evidence, request: RequestEvidence, result: Told, report: Report): void {
  if (result["status"] !== "approved" && result["approved"] !== true) return;
  const { approvals, attempts, listed_ms } = evidence;
  const standing = approvals.find((one) => one.id === result["approval_id"]);
  if (standing === undefined) return report("I3", "granted, and the platform knows no such approval");
  if (standing.status !== "approved") report("I3", `granted, and the platform says ${at(standing)}`);
  if (standing.task_id !== "" && !standing.task_id.startsWith(`${request.workflow_id}#`)) {
    report("I3", `granted by the approval of ${standing.task_id}`);
  }
  // One whose answer got lost may have been it: it was, if it stands.
  const attempt = attempts.find(
    ({ approval_id, decision, by, known }) =>
      approval_id === standing.id && decision === "approved" && known !== "refused" && by === standing.decided_by,
  );
  if (attempt === undefined) return report("I3", "granted, and no person approved");
  const took = Date.parse(standing.decided_at ?? "") - Date.parse(standing.created_at);
  const allowed = (request.timeout_seconds + evidence.poll_interval_seconds) * 1_000;
  if (!(took <= allowed)) report("I3", `granted although decided after ${took} ms of ${allowed}`);
  if (result["verified"] === true && listed_ms?.some((ms) => ms >= attempt.sent_ms) === false) {
    report("I3", "granted as verified, and nobody has read it");
  }
}

/** I4, but for the chain. */
function isRecorded(result: Told, own: readonly PlatformApproval[], lines: readonly Line[], report: Report): void {
  const trace = result["trace_id"];
  if (trace === "" && result["status"] === "failed") return;
  const unique = new Map(lines.filter((line) => line["trace_id"] === trace).map((line) => [line["event_id"], line]));
  const final = [...unique.values()]
    .filter((line) => !NEVER_FINAL.has(line["outcome"]))
    .map((line) => String(line["outcome"]));
  const wanted = result["audited"] === false ? [] : [FINAL.get(String(result["status"]))];
  if (final.join() !== wanted.join()) report("I4", `its final records are [${final.join()}], not [${wanted.join()}]`);
  // By its workflow, because a reset gives the same request another trace.
  const requested = lines
    .filter((line) => line["outcome"] === "requested" && line["workflow_id"] === result["workflow_id"])
    .map((line) => line["approval_id"]);
  const approvalId = result["approval_id"];
  if (result["audited"] === false) return;
  // One record per request (docs/audit.md): where it was created twice, and the twin was decided, the record names the other one.
  const known = new Set<unknown>(own.map(({ id }) => id));
  const names = (id: unknown) => id === approvalId || (known.has(id) && known.has(approvalId));
  if (approvalId !== undefined && !requested.some(names)) report("I4", "it has no record that it was requested");
}

function at(one: PlatformApproval | undefined): string {
  return one === undefined ? "nothing" : `${one.status} by ${one.decided_by ?? "nobody"}`;
}

/** Equal for equal objects, whatever the order of their keys. */
function text(value: Told): string {
  return JSON.stringify(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
