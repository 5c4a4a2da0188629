/** Writes one audit record, and answers only when it is on disk. */
import { ApplicationFailure } from "@temporalio/common";
import type { AuditRecord } from "../domain/audit-record.ts";
import { standingOf } from "../domain/standing.ts";
import { messageOf } from "../domain/errors.ts";
import type { ApprovalActivities } from "../domain/ports.ts";

/** The record's one door to the disk. */
export interface AuditLog {
  append(record: AuditRecord): Promise<{ readonly recorded: true; readonly outcome: string }>;
  standing(record: AuditRecord): Promise<{ readonly [field: string]: unknown } | undefined>;
}

export interface AuditHealth {
  (problem: string | undefined): void;
}

export function createRecordOutcome(audit: AuditLog, onHealth: AuditHealth): ApprovalActivities["recordOutcome"] {
  return async ({ record, required }) => {
    try {
      const written = await audit.append(record);
      onHealth(undefined);
      if (written.outcome === record.outcome) return written;
      return { ...written, standing: standingOf(await audit.standing(record)) };
    } catch (error) {
      onHealth(messageOf(error));
      if (!required) return { recorded: false, outcome: record.outcome };
      throw ApplicationFailure.create({ message: messageOf(error), type: "ERR_AUDIT", category: "BENIGN" });
    }
  };
}
