/**
 * The activities as the workflows see them. Workflow code takes these types and never those of src/activities,
 * which would bring Node's types into the sandbox.
 */
import type { AuditRecord } from "./audit-record.ts";
import type { Standing } from "./standing.ts";
import type { ListItem } from "./listing.ts";
import type { Withdrawer } from "./names.ts";
import type { Json } from "./request.ts";

/** What a worker is configured to do; read once per request, so that it stands in the history. */
export interface Settings {
  readonly timeout_seconds: number;
  readonly poll_interval_seconds: number;
  readonly use_websocket: boolean;
  readonly audit_required: boolean;
}

export type Permission =
  | { readonly kind: "allowed"; readonly settings: Settings }
  | {
      readonly kind: "forbidden";
      readonly error: string;
      readonly roles: readonly string[];
      readonly settings: Settings;
    }
  /** This worker does not serve the workspace. */
  | { readonly kind: "failed"; readonly error: string };

export interface CreateInput {
  readonly workspace_id: string;
  readonly action: string;
  readonly reason: string;
  readonly context?: { readonly [key: string]: Json };
  readonly task_id: string;
  readonly trace_id: string;
  readonly workflow_id: string;
  readonly timeout_seconds: number;
  readonly audit_required: boolean;
  /** For the watch: how to wake it. */
  readonly poll_interval_seconds: number;
  readonly use_websocket: boolean;
  /** Workflow time of the record, milliseconds since the epoch: equal in every attempt. */
  readonly time_ms: number;
}

export type Created =
  | {
      readonly kind: "created";
      readonly approval_id: string;
      /** How long the approval has stood on the platform already: 0 for a fresh one. */
      readonly elapsed_ms: number;
      /** Other pending approvals that carry our task id, to be withdrawn. */
      readonly duplicates: readonly string[];
      /** False: the `requested` record is not on disk yet. */
      readonly recorded: boolean;
    }
  | { readonly kind: "failed"; readonly error: string };

/** A decision that somebody says was made: the payload of the signal `decided`. Never believed, only looked up. */
export interface Hint {
  readonly approval_id: string;
  readonly status: "approved" | "denied";
  readonly decided_by?: string;
  readonly decided_at?: string;
  readonly source: "socket" | "sweep" | "manual";
  /** HMAC-SHA256 with COUNTERSIGN_HINT_KEY, hex; see src/domain/names.ts `proofText`. */
  readonly proof?: string;
}

export interface ConfirmInput {
  readonly workspace_id: string;
  readonly task_id: string;
  readonly approval_id: string;
  /** What was heard so far; their approval ids are looked up too, and their proofs checked. */
  readonly hints: readonly Hint[];
}

/** What one reading of the platform showed of one request. */
export interface Reading {
  /** Every item that is ours: our task id, or our approval id where the platform echoes no task id. */
  readonly items: readonly ListItem[];
  /** True where the list was too long to tell that we are absent. */
  readonly capped: boolean;
  /** Hints whose proof this worker's key confirms. */
  readonly vouched: readonly Hint[];
}

export interface WithdrawInput {
  readonly workspace_id: string;
  readonly task_id: string;
  /** Known approvals; others with our task id are looked up. */
  readonly approval_ids: readonly string[];
  /** The approval that must stay. */
  readonly keep?: string;
  readonly decided_by: Withdrawer;
}

export interface Withdrawal {
  /** True where nothing of ours is pending any more because of us. */
  readonly withdrawn: boolean;
  /** True where the platform said that one of ours is not pending: read again and judge. */
  readonly not_pending: boolean;
}

export interface RecordInput {
  readonly record: AuditRecord;
  /** False: a record that cannot be written is warned about, and that is all. */
  readonly required: boolean;
}

export interface Recorded {
  /** False only where records are not required and this one could not be written. */
  readonly recorded: boolean;
  /** The outcome that stands on disk under this event id: another one where an earlier attempt was written after all. */
  readonly outcome: string;
  /** What the standing record says, where its outcome is another. */
  readonly standing?: Standing;
}

export interface StreamInput {
  readonly workspace_id: string;
  readonly task_queue: string;
  /** Streams before this one that were lost early, for the backoff. */
  readonly short_runs: number;
}

export interface StreamEnd {
  readonly uptime_ms: number;
  readonly reason: string;
}

export interface SweepInput {
  readonly workspace_id: string;
  readonly poll_interval_seconds: number;
  readonly task_queue: string;
}

/** On the worker's queue. */
export interface ApprovalActivities {
  checkPermission(input: { readonly workspace_id: string }): Promise<Permission>;
  createApproval(input: CreateInput): Promise<Created>;
  confirmDecision(input: ConfirmInput): Promise<Reading>;
  withdrawApproval(input: WithdrawInput): Promise<Withdrawal>;
  recordOutcome(input: RecordInput): Promise<Recorded>;
  /** Never completes: every sweep ends in a BENIGN failure that asks to be retried one interval later. */
  sweepDecisions(input: SweepInput): Promise<void>;
  countWaiting(input: { readonly workspace_id: string; readonly task_queue: string }): Promise<number>;
}

/** On the bridge's queue. */
export interface BridgeActivities {
  streamDecisions(input: StreamInput): Promise<StreamEnd>;
}
