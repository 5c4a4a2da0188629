/**
 * The ends of an approval. `ApprovalResult` is the wire object: workflow result, CLI `--json`, agent API.
 * "Not yet" is `undefined`, never a status.
 */

interface Ids {
  /** One per lifecycle, a UUID v4; "" in a `failed` that the client itself makes. */
  readonly trace_id: string;
  readonly workflow_id: string;
  /** What the decider wrote, where the platform carries it. */
  readonly comment?: string;
  /** `false` where the end stands although its audit record could not be written. */
  readonly audited?: false;
}

export interface Approved extends Ids {
  readonly status: "approved";
  readonly approved: true;
  readonly approval_id: string;
  /** "" where the platform names no one. */
  readonly decided_by: string;
  readonly decided_at?: string;
  /** `false` where the platform's list could not answer and an authenticated socket was believed. */
  readonly verified: boolean;
}

export interface Denied extends Ids {
  readonly status: "denied";
  readonly approved: false;
  readonly approval_id: string;
  readonly decided_by: string;
  readonly message: "Denied by human";
}

export interface Expired extends Ids {
  readonly status: "expired";
  readonly approved: false;
  readonly approval_id: string;
  readonly message: "Expired on the platform before anyone decided";
}

export interface TimedOut extends Ids {
  readonly status: "timed_out";
  readonly approved: false;
  readonly approval_id: string;
  /** `false`: a person may still decide it on the platform, into the void. */
  readonly withdrawn: boolean;
  readonly error: string;
}

export interface Forbidden extends Ids {
  readonly status: "forbidden";
  readonly approved: false;
  readonly error: string;
}

export interface Failed extends Ids {
  readonly status: "failed";
  readonly approved: false;
  readonly approval_id?: string;
  readonly error: string;
}

export interface Cancelled extends Ids {
  readonly status: "cancelled";
  readonly approved: false;
  readonly approval_id?: string;
  readonly withdrawn?: boolean;
  readonly error: "Cancelled by the caller";
}

export type ApprovalResult = Approved | Denied | Expired | TimedOut | Forbidden | Failed | Cancelled;
export type Status = ApprovalResult["status"];

export const STATUSES: readonly Status[] = [
  "approved",
  "denied",
  "expired",
  "timed_out",
  "forbidden",
  "failed",
  "cancelled",
];

/** `Timed out after 300s waiting for human decision` */
export function timedOutText(timeoutSeconds: number): string {
  return `Timed out after ${timeoutSeconds}s waiting for human decision`;
}

/** The denial text of the original tool; the roles are written as Python writes a list of strings. */
export function forbiddenText(roles: readonly string[]): string {
  const list = roles.map((role) =>
    role.includes("'") && !role.includes('"') ? `"${role}"` : `'${role.replace(/['\\]/g, "\\$&")}'`,
  );
  return `RBAC: this workspace does not have the 'approve' permission. Current roles: [${list.join(", ")}]`;
}

/** The one line that a model is shown, the same in every adapter. */
export function modelLine(result: ApprovalResult): string {
  switch (result.status) {
    case "approved":
      return `Approved by ${result.decided_by || "a person"}.`;
    case "denied":
      return `Denied by ${result.decided_by || "a person"}${result.comment ? `: ${result.comment}` : "."}`;
    case "expired":
      return "Expired on the platform before anyone decided; not approved.";
    case "timed_out":
      return `No decision within ${/after ([\d.e+-]+)s/.exec(result.error)?.[1] ?? "the given"} s; not approved. Do not retry without new information.`;
    case "forbidden":
      return `Not allowed: ${result.error}`;
    case "failed":
      return `Could not ask: ${result.error}`;
    case "cancelled":
      return "Cancelled; not approved.";
  }
}
