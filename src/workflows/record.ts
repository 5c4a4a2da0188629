/** The audit records of one approval, but for the final one. */
import { noteRecord, type AuditRecord, type RecordBase, type Seen } from "../domain/audit-record.ts";
import type { Lifecycle } from "./lifecycle.ts";
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
