/** Decides what is still pending of ours as denied by `countersign:…`, so that no one approves into the void. */
import { ApprovalError } from "../domain/errors.ts";
import type { Platform } from "../domain/platform-port.ts";
import type { ApprovalActivities } from "../domain/ports.ts";
import { cancellationSignal, platformFailure } from "./activity-edge.ts";
import { ownItems } from "./own-items.ts";
import type { SharedList } from "../platform/shared-list.ts";

export function createWithdrawApproval(platform: Platform, list: SharedList): ApprovalActivities["withdrawApproval"] {
  return async ({ workspace_id, task_id, approval_ids, keep, decided_by }) => {
    const signal = cancellationSignal();
    // What got lost at its creation, and every duplicate, is only found by its task id, in a list that was not narrowed.
    const byTaskId = approval_ids.length === 0 || decided_by === "countersign:duplicate";
    const reading = byTaskId ? platform.list(workspace_id, [], signal) : list.read(workspace_id, approval_ids, signal);
    const listing = await reading.catch((error: unknown) => {
      // Mostly a wrong token: trying again only keeps the agent waiting. What stands there after all is withdrawn by the watch.
      if (approval_ids.length === 0 && isRefusal(error)) return undefined;
      return platformFailure(error);
    });
    if (listing === undefined) return { withdrawn: false, not_pending: false };
    const listed = ownItems(listing, task_id, approval_ids);
    const unlisted = approval_ids.filter((id) => !listing.items.some((item) => item.approval_id === id));
    const open = [...listed.filter((item) => item.status === "pending").map((item) => item.approval_id), ...unlisted];

    let withdrawn = true;
    let notPending = listed.some((item) => item.status !== "pending" && item.approval_id !== keep);
    for (const id of open.filter((one) => one !== keep)) {
      const answer = await platform.decide(workspace_id, id, "denied", decided_by, signal).catch(platformFailure);
      if (answer.kind !== "decided") withdrawn = false;
      if (answer.kind === "not_pending") notPending = true;
    }
    return { withdrawn, not_pending: notPending };
  };
}

function isRefusal(error: unknown): boolean {
  return error instanceof ApprovalError && error.code === "ERR_PLATFORM_REFUSED";
}
