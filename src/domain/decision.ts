/** What a reading of the platform means. The only place where "approved" is concluded. */
import { lateness, parseTime, type Lateness, type Window } from "./deadline.ts";
import { AUTO_EXPIRED, isOwnDecider } from "./names.ts";
import type { ListItem } from "./listing.ts";
import type { Hint, Reading } from "./ports.ts";

/** A person's decision. */
export interface Decision {
  readonly approval_id: string;
  readonly status: "approved" | "denied";
  readonly decided_by: string;
  readonly decided_at?: string;
  readonly comment?: string;
  /** False where only an authenticated socket vouches for it. */
  readonly verified: boolean;
}

export type Verdict =
  | { readonly kind: "decided"; readonly decision: Decision }
  /** Nobody answered and the platform closed it. */
  | { readonly kind: "expired"; readonly approval_id: string }
  /** Closed too late; `decision` where a person did it. */
  | { readonly kind: "late"; readonly approval_id: string; readonly cause: Lateness; readonly decision?: Decision }
  /** Closed by Countersign itself. */
  | { readonly kind: "withdrawn"; readonly approval_id: string; readonly timed_out: boolean }
  | { readonly kind: "pending" }
  /** The list does not name us: no news, not a decision. */
  | { readonly kind: "absent" };

export interface Judgement {
  readonly verdict: Verdict;
  /** Our approvals that are still open beside the verdict's: to be withdrawn. */
  readonly surplus: readonly string[];
}

/**
 * Judges one reading. Among all our items the earliest decision of a person that is in time counts;
 * on a tie, or where a time is missing, a denial. An approval signed by `countersign:…` or `auto-expired` is never a grant.
 */
export function judge(reading: Reading, approvalId: string, window: Window): Judgement {
  const verdict = verdictOf(reading, approvalId, window);
  const kept = verdict.kind === "pending" || verdict.kind === "absent" ? approvalId : undefined;
  const surplus = reading.items
    .filter((item) => item.status === "pending" && item.approval_id !== kept)
    .map((item) => item.approval_id);
  return { verdict, surplus };
}

function verdictOf({ items, capped, vouched }: Reading, approvalId: string, window: Window): Verdict {
  const people = items.filter(isDecidedByAPerson);
  const timely = people.filter((item) => lateness(item, window) === undefined);
  const first = firstOf(timely);
  if (first !== undefined) return { kind: "decided", decision: decisionOf(first) };

  const late = firstOf(people);
  if (late !== undefined) return lateVerdict(decisionOf(late), lateness(late, window));

  const own = items.find((item) => item.approval_id === approvalId);
  if (own === undefined) {
    if (items.some((item) => item.status === "pending")) return { kind: "pending" };
    return capped ? vouchedVerdict(vouched, approvalId, window) : { kind: "absent" };
  }
  if (own.status === "pending") return { kind: "pending" };
  if (isOwnDecider(own.decided_by)) {
    return {
      kind: "withdrawn",
      approval_id: approvalId,
      timed_out: own.decided_by.trim().toLowerCase() === "countersign:timed_out",
    };
  }
  const cause = lateness(own, window);
  return cause === undefined
    ? { kind: "expired", approval_id: approvalId }
    : { kind: "late", approval_id: approvalId, cause };
}

function isDecidedByAPerson(item: ListItem): boolean {
  return item.status !== "pending" && !isOwnDecider(item.decided_by) && item.decided_by !== AUTO_EXPIRED;
}

/** The earliest; a denial on a tie, or as soon as one of them has no time. */
function firstOf(items: readonly ListItem[]): ListItem | undefined {
  const denial = items.find((item) => item.status === "denied");
  if (denial !== undefined && items.some((item) => parseTime(item.decided_at) === undefined)) return denial;
  const time = (item: ListItem) => parseTime(item.decided_at) ?? 0;
  return [...items].sort(
    (a, b) => time(a) - time(b) || Number(a.status === "approved") - Number(b.status === "approved"),
  )[0];
}

function decisionOf(item: ListItem): Decision {
  return {
    approval_id: item.approval_id,
    status: item.status === "approved" ? "approved" : "denied",
    decided_by: item.decided_by,
    ...(item.decided_at === undefined ? {} : { decided_at: item.decided_at }),
    ...(item.comment === undefined ? {} : { comment: item.comment }),
    verified: true,
  };
}

function lateVerdict(decision: Decision, cause: Lateness = "after_deadline"): Verdict {
  return { kind: "late", approval_id: decision.approval_id, cause, decision };
}

/** The list cannot answer, so hints with a valid proof count by themselves; where they differ, the denial does. */
function vouchedVerdict(vouched: readonly Hint[], approvalId: string, window: Window): Verdict {
  const ours = vouched.filter(
    (hint) =>
      hint.approval_id === approvalId && !isOwnDecider(hint.decided_by ?? "") && hint.decided_by !== AUTO_EXPIRED,
  );
  const hint = ours.find((one) => one.status === "denied") ?? ours[0];
  if (hint === undefined) return { kind: "absent" };
  const decision: Decision = {
    approval_id: approvalId,
    status: hint.status,
    decided_by: hint.decided_by ?? "",
    ...(hint.decided_at === undefined ? {} : { decided_at: hint.decided_at }),
    verified: false,
  };
  // The proof covers no times, so the reading's own time judges.
  const cause = lateness({}, window);
  return cause === undefined ? { kind: "decided", decision } : lateVerdict(decision, cause);
}
