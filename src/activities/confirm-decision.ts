/** Reads what the platform says of one request. A hint is never believed; where the list cannot answer, its proof is checked. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { proofText } from "../domain/names.ts";
import type { ApprovalActivities, ConfirmInput, Hint } from "../domain/ports.ts";
import type { SharedList } from "../platform/shared-list.ts";
import { ownItems } from "./own-items.ts";
import { cancellationSignal, platformFailure } from "./activity-edge.ts";

/** `hintKey` is COUNTERSIGN_HINT_KEY; without it no hint ever counts by itself. */
export function createConfirmDecision(
  list: SharedList,
  hintKey: string | undefined,
): ApprovalActivities["confirmDecision"] {
  return async (input) => {
    const ids = [...new Set([input.approval_id, ...input.hints.map((hint) => hint.approval_id)])];
    const listing = await list.read(input.workspace_id, ids, cancellationSignal()).catch(platformFailure);
    const items = ownItems(listing, input.task_id, [input.approval_id]);
    const absent = !items.some((item) => item.approval_id === input.approval_id);
    return {
      items,
      capped: listing.capped,
      vouched: absent && listing.capped ? input.hints.filter((hint) => isProven(hint, input, hintKey)) : [],
    };
  };
}

/** The proof of a hint: HMAC-SHA256, hex. */
export function proofOf(
  key: string,
  taskId: string,
  hint: Pick<Hint, "approval_id" | "status" | "decided_by">,
): string {
  const text = proofText(taskId, hint.approval_id, hint.status, hint.decided_by ?? "");
  return createHmac("sha256", key).update(text).digest("hex");
}

function isProven(hint: Hint, input: ConfirmInput, key: string | undefined): boolean {
  if (key === undefined || hint.proof === undefined) return false;
  const expected = Buffer.from(proofOf(key, input.task_id, hint));
  const given = Buffer.from(hint.proof);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
