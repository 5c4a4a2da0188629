/** Writes one audit record, and answers only when it is on disk. */
import { ApplicationFailure } from "@temporalio/common";
import type { AuditRecord } from "../domain/audit-record.ts";
import { messageOf } from "../domain/errors.ts";
import type { ApprovalActivities } from "../domain/ports.ts";

/** The record's one door to the disk. */
export interface AuditLog {
  append(record: AuditRecord): Promise<{ readonly recorded: true; readonly outcome: string }>;
}

export interface AuditHealth {
  (problem: string | undefined): void;
}

export function createRecordOutcome(audit: AuditLog, onHealth: AuditHealth): ApprovalActivities["recordOutcome"] {
  return async ({ record, required }) => {
    try {
      const written = await audit.append(record);
      onHealth(undefined);
      return written;
    } catch (error) {
      onHealth(messageOf(error));
      if (!required) return { recorded: false, outcome: record.outcome };
      throw ApplicationFailure.create({ message: messageOf(error), type: "ERR_AUDIT", category: "BENIGN" });
    }
  };
}
