/**
 * The audit records, built pure so that they are the same whoever writes them (docs/audit.md, "Records").
 * The field names and their order are the original tool's; ours come after them.
 */
import { AUTO_EXPIRED } from "./names.ts";
import type { ApprovalResult } from "./outcome.ts";

/** A record before it is written: the writer adds nothing but what is missing here. */
export interface AuditRecord {
  /** SHA-256 input that names this record for ever: equal keys are the same event. The writer stores its hash as `event_id`. */
  readonly event_key: string;
  /** Milliseconds since the epoch, workflow time. */
  readonly time_ms: number;
  /** `audit` is of the log itself and belongs to no request. */
  readonly event_type: "approval" | "rbac" | "audit";
  readonly workspace_id: string;
  /** `decided_by`, else the workspace id. */
  readonly actor: string;
  readonly action: string;
  /** The action text of the request, as the agent gave it; redacted and cut by the writer. */
  readonly resource: string;
  readonly outcome: string;
  readonly trace_id: string;
  readonly extras: { readonly [key: string]: unknown };
}

/** What all records of one request share. */
export interface RecordBase {
  readonly workspace_id: string;
  readonly workflow_id: string;
  readonly task_id: string;
  readonly trace_id: string;
  /** The action text. */
  readonly action: string;
  /** Milliseconds since the epoch, workflow time. */
  readonly time_ms: number;
}

/** What the final record tells beyond the result. */
export interface FinalFacts {
  /** Of `forbidden`. */
  readonly roles?: readonly string[];
  /** Of `timed_out`: the whole timeout of the request, in seconds. */
  readonly timeout_seconds?: number;
  /** Of `denied`, `expired` and `timed_out`: when the platform says it was decided. */
  readonly decided_at?: string;
  /** Of `denied`: false where only an authenticated socket vouches for it. Default true. */
  readonly verified?: boolean;
  /** Of `approved` and `denied`: the last moment at which a decision counted, RFC 3339, by the clock of `decided_at`. */
  readonly deadline?: string;
  /** Of `failed`: "audit_failed" where a decision stands that could not be recorded. Default "submit_failed". */
  readonly reason?: "submit_failed" | "audit_failed";
  /** Why it came to this end, where the end alone does not tell. */
  readonly cause?: string;
}

/** What was seen, for the records that never are final. */
export interface Seen {
  /** A decision was announced, but the platform still said pending. */
  readonly "hint.unconfirmed": { readonly hinted: "approved" | "denied"; readonly source: string };
  /** A decision was announced, and the platform said the opposite, which counts. */
  readonly "decision.conflict": {
    readonly hinted: "approved" | "denied";
    readonly read: "approved" | "denied";
    readonly decided_by: string;
  };
  /** A decision that came too late to count. */
  readonly "decision.late": {
    readonly status: "approved" | "denied";
    readonly decided_by: string;
    readonly decided_at?: string;
    /** `after_end`: in time, but another end was on record already. */
    readonly cause: "after_deadline" | "time_unknown" | "after_end";
  };
  /** The platform held a second approval of the same request, which was withdrawn. */
  readonly "create.duplicate": { readonly kept: string };
}

/** The approval stands on the platform. Written once per approval id. `timeoutSeconds`: how long the request waits at most. */
export function requestedRecord(
  base: RecordBase,
  approvalId: string,
  reason: string,
  timeoutSeconds?: number,
): AuditRecord {
  const deadline = timeoutSeconds === undefined ? undefined : isoTime(base.time_ms + timeoutSeconds * 1_000);
  return record(base, {
    event_key: `${base.task_id}|${approvalId}|requested`,
    outcome: "requested",
    extras: { approval_id: approvalId, reason_text: reason, workflow_id: base.workflow_id, deadline },
  });
}

/** The one final record of a request: whatever its end, there is one event key for it. */
export function finalRecord(base: RecordBase, result: ApprovalResult, facts: FinalFacts = {}): AuditRecord {
  const event_key = `${base.task_id}||final`;
  const { decided_at, deadline, cause } = facts;
  const ours = { workflow_id: base.workflow_id, comment: result.comment, cause };
  switch (result.status) {
    case "forbidden":
      return record(base, {
        event_key,
        event_type: "rbac",
        action: "rbac.deny",
        outcome: "denied",
        extras: { attempted_action: "approve", roles: facts.roles ?? [], ...ours, error: result.error },
      });
    case "approved":
      return record(base, {
        event_key,
        actor: result.decided_by,
        outcome: "granted",
        extras: {
          approval_id: result.approval_id,
          decided_by: result.decided_by,
          ...ours,
          decision: decisionOf(result, result.decided_at ?? decided_at, result.verified),
          deadline,
        },
      });
    case "denied":
      return record(base, {
        event_key,
        actor: result.decided_by,
        outcome: "denied",
        extras: {
          approval_id: result.approval_id,
          decided_by: result.decided_by,
          ...ours,
          decision: decisionOf(result, decided_at, facts.verified ?? true),
          deadline,
        },
      });
    case "expired":
      return record(base, {
        event_key,
        actor: AUTO_EXPIRED,
        outcome: "denied",
        extras: {
          approval_id: result.approval_id,
          decided_by: AUTO_EXPIRED,
          reason: "auto_expired",
          ...ours,
          decided_at,
        },
      });
    case "timed_out":
      return record(base, {
        event_key,
        outcome: "timeout",
        extras: {
          approval_id: result.approval_id,
          timeout_seconds: facts.timeout_seconds,
          ...ours,
          withdrawn: result.withdrawn,
          decided_at,
        },
      });
    case "failed":
      return record(base, {
        event_key,
        outcome: "failure",
        extras: {
          reason: facts.reason ?? "submit_failed",
          error: result.error,
          approval_id: result.approval_id,
          ...ours,
        },
      });
    case "cancelled":
      return record(base, {
        event_key,
        outcome: "cancelled",
        extras: { approval_id: result.approval_id, ...ours, withdrawn: result.withdrawn },
      });
  }
}

/** A record of something that was seen and changed nothing: at most one per kind and approval. */
export function noteRecord<K extends keyof Seen>(
  base: RecordBase,
  kind: K,
  approvalId: string,
  seen: Seen[K],
): AuditRecord {
  // Named only where the platform said so: a hint's decider is anybody's text.
  const actor = "decided_by" in seen ? seen.decided_by : "";
  return record(base, {
    event_key: `${base.task_id}|${approvalId}|${kind}`,
    actor,
    action: kind,
    outcome: "skipped",
    extras: { approval_id: approvalId, ...seen, workflow_id: base.workflow_id },
  });
}

/** What a person said, and what vouches for it: the platform's list, or where that could not answer an authenticated socket. */
function decisionOf(
  { status, decided_by }: { readonly status: "approved" | "denied"; readonly decided_by: string },
  decided_at: string | undefined,
  verified: boolean,
): object {
  return {
    status,
    decided_by,
    ...(decided_at === undefined ? {} : { decided_at }),
    source: verified ? "list" : "socket",
    verified,
  };
}

/** `undefined` for what no calendar holds. */
function isoTime(milliseconds: number): string | undefined {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

type Parts = Pick<AuditRecord, "event_key" | "outcome" | "extras"> &
  Partial<Pick<AuditRecord, "event_type" | "actor" | "action">>;

function record(base: RecordBase, parts: Parts): AuditRecord {
  return {
    event_key: parts.event_key,
    time_ms: base.time_ms,
    event_type: parts.event_type ?? "approval",
    workspace_id: base.workspace_id,
    actor: parts.actor || base.workspace_id,
    action: parts.action ?? "approve",
    resource: base.action,
    outcome: parts.outcome,
    trace_id: base.trace_id,
    // Absent rather than null: extras that are not known do not appear.
    extras: Object.fromEntries(Object.entries(parts.extras).filter(([, value]) => value !== undefined)),
  };
}
