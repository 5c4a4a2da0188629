/** The frames of the platform's socket, decoded, in both dialects (docs/protocol.md, "Events"). */
import { messageOf } from "../domain/errors.ts";
import { isApprovalId, isDecider, isFields, isText, timeOf, type Fields } from "./fields.ts";
import { parseJson } from "./json.ts";

export type PlatformEvent =
  | {
      readonly kind: "decided";
      readonly approval_id: string;
      readonly status: "approved" | "denied";
      readonly decided_by?: string;
      readonly decided_at?: string;
    }
  | { readonly kind: "requested"; readonly approval_id: string; readonly task_id?: string }
  /** Another event, or another workspace's. */
  | { readonly kind: "ignored" }
  /** Not of the documented shape: never a decision. It may have been one, so the caller reads the list. */
  | { readonly kind: "rejected"; readonly reason: string };

const IGNORED: PlatformEvent = { kind: "ignored" };

/**
 * What one text frame says to `workspaceId`. Never throws. A frame of another workspace is ignored, because a socket also carries
 * the events of siblings, ancestors and descendants; the original tool's dialect names no workspace.
 */
export function decodeEvent(text: string, workspaceId: string): PlatformEvent {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return rejected("the frame is not JSON");
  }
  if (!isFields(frame) || typeof frame["event"] !== "string") return rejected("the frame has no event name");
  const name = frame["event"];
  if (!isOurs(name)) return IGNORED;
  try {
    // The strict reading comes second: some thirty other events share the socket and need not pay for it.
    parseJson(text);
  } catch (error) {
    return rejected(messageOf(error));
  }
  return decodeOurs(name, frame, workspaceId);
}

type OurEvent = "APPROVAL_DECIDED" | "APPROVAL_APPROVED" | "APPROVAL_DENIED" | "APPROVAL_REQUESTED";

function isOurs(name: string): name is OurEvent {
  return (
    name === "APPROVAL_DECIDED" ||
    name === "APPROVAL_APPROVED" ||
    name === "APPROVAL_DENIED" ||
    name === "APPROVAL_REQUESTED"
  );
}

function decodeOurs(name: OurEvent, frame: Fields, workspaceId: string): PlatformEvent {
  const { workspace_id, payload } = frame;
  if (!isText(workspace_id)) return rejected(`${name} with a workspace_id that is no text`);
  if (typeof workspace_id === "string" && workspace_id !== workspaceId) return IGNORED;
  if (name === "APPROVAL_DECIDED") return decision(name, frame, frame["status"]);
  if (typeof workspace_id !== "string") return rejected(`${name} without a workspace_id`);
  if (!isFields(payload)) return rejected(`${name} without a payload`);
  return name === "APPROVAL_REQUESTED" ? requested(payload) : decision(name, payload, payload["decision"]);
}

function decision(name: OurEvent, fields: Fields, status: unknown): PlatformEvent {
  const { approval_id, decided_by, decided_at } = fields;
  if (!isApprovalId(approval_id)) return rejected(`${name} without a valid approval_id`);
  if (status !== "approved" && status !== "denied") return rejected(`${name} without a known decision`);
  if (name === "APPROVAL_APPROVED" && status !== "approved") return rejected(`${name} whose decision is ${status}`);
  if (name === "APPROVAL_DENIED" && status !== "denied") return rejected(`${name} whose decision is ${status}`);
  if (!isDecider(decided_by)) return rejected(`${name} with an invalid decided_by`);
  if (!isText(decided_at)) return rejected(`${name} with an invalid decided_at`);
  const time = timeOf(decided_at);
  return {
    kind: "decided",
    approval_id,
    status,
    ...(typeof decided_by === "string" ? { decided_by } : {}),
    ...(time === undefined ? {} : { decided_at: time }),
  };
}

function requested(payload: Fields): PlatformEvent {
  const { approval_id, task_id } = payload;
  if (!isApprovalId(approval_id)) return rejected("APPROVAL_REQUESTED without a valid approval_id");
  if (!isText(task_id)) return rejected("APPROVAL_REQUESTED with a task_id that is no text");
  return { kind: "requested", approval_id, ...(typeof task_id === "string" ? { task_id } : {}) };
}

function rejected(reason: string): PlatformEvent {
  return { kind: "rejected", reason };
}
