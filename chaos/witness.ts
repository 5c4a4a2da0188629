/** What the checker is given: what callers, people, Temporal, the disk and the platform have to say. Nothing of it comes from our own logs. */
import type { PlatformApproval } from "../test/support/platform-store.ts";

/** A result as anybody may have got it: nothing of its shape is believed. */
export interface Told {
  readonly [key: string]: unknown;
}

export interface RequestEvidence {
  readonly workflow_id: string;
  /** When it was asked; of several tries to ask, the last. Milliseconds since the epoch. */
  readonly started_ms: number;
  /** The first of several tries. */
  readonly first_ms?: number;
  readonly timeout_seconds: number;
  /** What each caller got that waited for it. */
  readonly results: readonly Told[];
  /**
   * Unknown: every call that should start it failed, so that it may be in Temporal, or not. Late: one came back well after others had
   * failed. Absent where the first came back well.
   */
  readonly start?: "unknown" | "late";
  /** In Temporal. `undefined`: there is no such workflow. */
  readonly stored:
    | { readonly status: string; readonly closed_ms: number | undefined; readonly result: Told | undefined }
    | undefined;
}

/** A person who tried to decide. */
export interface Attempt {
  readonly approval_id: string;
  readonly decision: "approved" | "denied";
  readonly by: string;
  /** Milliseconds since the epoch. What came of it came later. */
  readonly sent_ms: number;
  /** What the person was told; unknown where the answer got lost. */
  readonly known: "taken" | "refused" | "unknown";
}

/** Milliseconds since the epoch. */
export interface Spell {
  readonly from_ms: number;
  readonly to_ms: number;
}

/** Kept where a row notes everything of its kind that it does: then nothing else may explain an outcome. */
export interface Book {
  /** Workflow ids that somebody tried to withdraw, whatever came of it. */
  readonly withdrawals: ReadonlySet<string>;
  /** While config.yaml could not be read. */
  readonly config_broken: readonly Spell[];
  /** While the platform's list was too short to show every request. */
  readonly list_capped: readonly Spell[];
}

export interface Evidence {
  readonly requests: readonly RequestEvidence[];
  /** The text of every file of the audit log, the oldest first. */
  readonly audit: readonly string[];
  /** What stands on the platform. */
  readonly approvals: readonly PlatformApproval[];
  /** Every try of a person to decide. Whatever else is decided, nobody did. */
  readonly attempts: readonly Attempt[];
  /** When we asked the platform to list, milliseconds since the epoch; `undefined` where that cannot be seen. */
  readonly listed_ms: readonly number[] | undefined;
  /** Approval ids that somebody with our token tried to approve on the platform. */
  readonly approved_by_us: readonly string[];
  readonly book?: Book;
  readonly poll_interval_seconds: number;
  /** When all that was down was up again, milliseconds since the epoch; 0 where nothing was. */
  readonly up_ms: number;
  /** How long after its deadline a request may take to end. */
  readonly grace_ms: number;
  /** False where records were taken away from outside, so that the trail cannot be whole. */
  readonly trail_is_whole: boolean;
  /** Where it came from, and what it says. */
  readonly outputs: readonly { readonly from: string; readonly text: string }[];
  readonly secrets: readonly string[];
}

/** How what nobody knew at the time turned out, by what stands in Temporal and on the platform. */
export interface Settled {
  readonly unknown_starts: number;
  readonly of_these_started: number;
  /** Started by one try after others had failed, perhaps by one of those. */
  readonly late_starts: number;
  readonly unknown_decisions: number;
  readonly of_these_stand: number;
  /** Timed out although a person had decided in time: right only where the platform could not be read to the end. */
  readonly timed_out_unread: number;
}

/** The word of a client that could not start a request: nobody was asked, as far as it knows. */
export function isOfUnstarted(result: Told): boolean {
  return result["status"] === "failed" && result["trace_id"] === "";
}

export function settled({ requests, attempts, approvals, poll_interval_seconds }: Evidence): Settled {
  const starts = requests.filter(({ start }) => start === "unknown");
  const decisions = attempts.filter(({ known }) => known === "unknown");
  const stands = ({ approval_id, decision, by }: Attempt) =>
    approvals.some((one) => one.id === approval_id && one.status === decision && one.decided_by === by);
  const isUnread = ({ workflow_id, timeout_seconds, stored }: RequestEvidence) =>
    stored?.result?.["status"] === "timed_out" &&
    approvals.some(
      (one) =>
        one.task_id.startsWith(`${workflow_id}#`) &&
        attempts.some(({ approval_id, by }) => approval_id === one.id && by === one.decided_by) &&
        Date.parse(one.decided_at ?? "") - Date.parse(one.created_at) <=
          (timeout_seconds + poll_interval_seconds) * 1_000,
    );
  return {
    unknown_starts: starts.length,
    of_these_started: starts.filter(({ stored }) => stored !== undefined).length,
    late_starts: requests.filter(({ start }) => start === "late").length,
    unknown_decisions: decisions.length,
    of_these_stand: decisions.filter(stands).length,
    timed_out_unread: requests.filter(isUnread).length,
  };
}
