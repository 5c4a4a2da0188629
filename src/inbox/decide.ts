import { OWN_DECIDER_PREFIX } from "../domain/names.ts";
import type { Refusal } from "./refusal.ts";
import type { Decision } from "./store.ts";
import type { Caller } from "./tokens.ts";
import { DECIDE_BODY, MAX_COMMENT } from "./wire.ts";

const OWN_DECIDER = new RegExp(`^${OWN_DECIDER_PREFIX}[A-Za-z0-9._-]{1,64}$`);

/** What a decide body comes to in the mouth of this caller. A reviewer is named by the token, whatever the body claims. */
export function decisionOf(caller: Caller, body: unknown, decidedAtMs: number): Decision | Refusal {
  const parsed = DECIDE_BODY.safeParse(body);
  if (!parsed.success) return { status: 400, error: "invalid request body" };
  const { decision: status, decided_by: claimed, comment } = parsed.data;
  if (status !== "approved" && status !== "denied")
    return { status: 400, error: "decision must be 'approved' or 'denied'" };
  if (comment && comment.length > MAX_COMMENT)
    return { status: 400, error: `comment has ${comment.length} characters, the limit is ${MAX_COMMENT}` };
  const rest = { decidedAtMs, ...(comment ? { comment } : {}) };
  if (caller.kind === "reviewer") return { status, decidedBy: caller.name, ...rest };
  // The one who asks never decides: an agent takes its own request back, and says that it was no person.
  if (status === "denied" && claimed && OWN_DECIDER.test(claimed)) return { status, decidedBy: claimed, ...rest };
  return {
    status: 403,
    error: `an agent's token may only withdraw: decision 'denied' with decided_by '${OWN_DECIDER_PREFIX}…'; to decide, use a reviewer's token`,
  };
}
