/**
 * The audit records, built pure so that they are the same whoever writes them.
 * The field names and their order are the original tool's; ours come after them.
 */

/** A record before it is written: the writer adds nothing but what is missing here. */
export interface AuditRecord {
  /** SHA-256 input that names this record for ever: equal keys are the same event. The writer stores its hash as `event_id`. */
  readonly event_key: string;
  /** Milliseconds since the epoch, workflow time. */
  readonly time_ms: number;
  readonly event_type: "approval" | "rbac";
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
