/**
 * A final record that stands on disk while its request goes on: the worker that wrote it died before it could tell anybody, and the next one
 * came to another end, because the platform could not be read any more. What stands is the end; only a grant is not taken from a file.
 */
import { timedOutText, type ApprovalResult } from "./outcome.ts";

/** What a final record says of its end, as docs/audit.md has it; "" and false where it says nothing. */
export interface Standing {
  readonly event_type: string;
  readonly outcome: string;
  readonly approval_id: string;
  readonly decided_by: string;
  readonly reason: string;
  readonly error: string;
  readonly comment: string;
  readonly withdrawn: boolean;
}

/** From the fields of a line; whatever is not of its type is taken for missing. */
export function standingOf(fields: { readonly [name: string]: unknown } = {}): Standing {
  const text = (name: string) => (typeof fields[name] === "string" ? fields[name] : "");
  return {
    event_type: text("event_type"),
    outcome: text("outcome"),
    approval_id: text("approval_id"),
    decided_by: text("decided_by"),
    reason: text("reason"),
    error: text("error"),
    comment: text("comment"),
    withdrawn: fields["withdrawn"] === true,
  };
}

/** The refusal that a standing record is the record of. `undefined` for a grant, and for what names no end. */
export function refusalOf(
  standing: Standing,
  { trace_id, workflow_id }: { readonly trace_id: string; readonly workflow_id: string },
  timeoutSeconds: number,
): ApprovalResult | undefined {
  const { approval_id, decided_by, error, withdrawn, comment } = standing;
  const ids = { trace_id, workflow_id };
  const said = comment === "" ? ids : { comment, ...ids };
  const known = approval_id === "" ? {} : { approval_id };
  switch (standing.outcome) {
    case "denied":
      if (standing.event_type === "rbac") return { status: "forbidden", approved: false, error, ...ids };
      return standing.reason === "auto_expired"
        ? {
            status: "expired",
            approved: false,
            approval_id,
            message: "Expired on the platform before anyone decided",
            ...ids,
          }
        : { status: "denied", approved: false, approval_id, decided_by, message: "Denied by human", ...said };
    case "timeout": {
      const told = timedOutText(timeoutSeconds);
      return { status: "timed_out", approved: false, approval_id, withdrawn, error: told, ...ids };
    }
    case "failure":
      return { status: "failed", approved: false, ...known, error, ...ids };
    case "cancelled":
      return { status: "cancelled", approved: false, ...known, withdrawn, error: "Cancelled by the caller", ...ids };
    default:
      return undefined;
  }
}
