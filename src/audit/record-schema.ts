/** The JSON Schema of a line (docs/audit-record.schema.json). Readers of other makes go by it; ours are stricter, and look at the chain. */
import { z } from "zod";

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const time = z.string();

const record = z
  .looseObject({
    timestamp: z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}\+00:00$/)
      .describe("When it happened, in workflow time"),
    event_type: z.enum(["approval", "rbac", "audit"]),
    workspace_id: z.string().describe("The workspace that asked; empty in records about the log itself"),
    actor: z.string().describe("Who decided, as the platform names them; else the workspace id"),
    action: z.string().describe("approve, rbac.deny, or what was seen"),
    resource: z.string().describe("The action text of the request"),
    outcome: z.enum(["requested", "granted", "denied", "timeout", "failure", "cancelled", "skipped"]),
    trace_id: z.string().describe("The same in all records of one request"),
    approval_id: z.string().optional(),
    reason_text: z.string().optional(),
    decided_by: z.string().optional(),
    timeout_seconds: z.number().optional(),
    attempted_action: z.string().optional(),
    roles: z.array(z.string()).optional().describe("Of a request that was not allowed"),
    reason: z.string().optional(),
    error: z.string().optional(),
    workflow_id: z.string().optional(),
    comment: z.string().optional(),
    cause: z.string().optional(),
    withdrawn: z.boolean().optional().describe("False: a person may still decide it on the platform"),
    decision: z
      .object({
        status: z.enum(["approved", "denied"]),
        decided_by: z.string(),
        decided_at: time.optional(),
        source: z.enum(["list", "socket"]).describe("What vouches for it"),
        verified: z.boolean().describe("False where the platform's list could not answer"),
      })
      .optional(),
    deadline: time
      .optional()
      .describe(
        "Of a request: when it stops waiting. Of a decision: the last moment at which one counted, by the platform's clock",
      ),
    truncated: z
      .record(z.string(), z.object({ bytes: count, sha256: hash }))
      .optional()
      .describe("What was cut: size and SHA-256 of the original"),
    redactions: count.min(1).optional().describe("How often something was replaced by ***REDACTED***"),
    schema: z.literal(1),
    event_id: hash.describe("Names the event: equal ids are the same event"),
    writer_id: z.string().describe("One run of one process"),
    seq: count.min(1).describe("Counts the records of the writer, from 1 without gaps"),
    file_prev: z.array(hash).max(16).optional().describe("Lines by others before it that no earlier record names"),
    rotated_from: z.array(hash).max(4).optional().describe("The last lines of the file before this one"),
    file_size: count
      .optional()
      .describe("Of a writer's first record in a file: the bytes before it, as the writer saw it"),
    prev_at: count.optional().describe("Of every other record: the byte at which the writer's record before it starts"),
    prev_hash: hash.describe("Of the writer's record before it; 64 zeros for its first"),
    hash: hash.describe("SHA-256 over the RFC 8785 JSON of the record without this field"),
  })
  .describe("One line of Countersign's audit log. Fields that are not named here may appear");

/** The schema to check with, and the same as JSON Schema 2020-12. */
export function auditSchema(): { readonly schema: z.ZodType; readonly json: object } {
  return { schema: record, json: { title: "Countersign audit record", ...z.toJSONSchema(record) } };
}
