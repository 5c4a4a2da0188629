/** One audit record as a sentence. The texts come from outside: who prints them makes them visible first. */

/** A record as it stands in the log; any of its fields may be anything. */
export type AuditFields = { readonly [name: string]: unknown };

export function sentence(record: AuditFields): string {
  const said = (name: string): string => textOf(record[name]);
  const by = said("decided_by") || "a person";
  const comment = said("comment") === "" ? "" : `: "${said("comment")}"`;
  const cause = said("cause") === "" ? "" : ` (${said("cause")})`;
  switch (said("action")) {
    case "rbac.deny":
      return `Not allowed: ${said("error")}`;
    case "hint.unconfirmed":
      return `Announced as ${said("hinted")} by ${said("source")}, but the platform still said pending`;
    case "decision.conflict":
      return `Announced as ${said("hinted")}, but the platform said ${said("read")}, which counted`;
    case "decision.late":
      return `Too late to count: ${said("status")} by ${by}${cause}`;
    case "create.duplicate":
      return `A second approval ${said("approval_id")} of the same request was withdrawn`;
    case "audit.recovered":
      return `A torn line of ${said("torn_bytes")} bytes was set aside as ${said("resource")}`;
  }
  switch (said("outcome")) {
    case "requested":
      return `Asked by ${said("workspace_id")}, as approval ${said("approval_id")}`;
    case "granted":
      return `Approved by ${by}${comment}${vouchedOf(record["decision"])}`;
    case "denied":
      return said("reason") === "auto_expired"
        ? "Expired on the platform before anyone decided"
        : `Denied by ${by}${comment}`;
    case "timeout":
      return `Nobody decided within ${said("timeout_seconds")} s${cause}${withdrawnOf(record)}`;
    case "failure":
      return `Failed (${said("reason")}): ${said("error")}`;
    case "cancelled":
      return `Cancelled by the caller${withdrawnOf(record)}`;
    default:
      return `${said("action")} ${said("outcome")}`;
  }
}

/** Texts and numbers; anything else as "". */
export function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function vouchedOf(decision: unknown): string {
  const { decided_at, verified } = (typeof decision === "object" && decision !== null ? decision : {}) as AuditFields;
  const time = textOf(decided_at) === "" ? "" : `, decided at ${textOf(decided_at)}`;
  return verified === true ? `${time}, read back from the platform` : `${time}, not verified`;
}

function withdrawnOf(record: AuditFields): string {
  if (record["withdrawn"] === false) return "; it may still be open on the platform";
  return record["withdrawn"] === true ? "; withdrawn" : "";
}
