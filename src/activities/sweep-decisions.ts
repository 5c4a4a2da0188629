/** The polling fallback: one list for the whole workspace, then a failure that asks to be retried one interval later. */
import { ApplicationFailure } from "@temporalio/common";
import type { Delivery } from "../delivery/deliver.ts";
import { messageOf } from "../domain/errors.ts";
import type { Platform } from "../domain/platform-port.ts";
import type { ApprovalActivities } from "../domain/ports.ts";
import { cancellationSignal } from "./activity-edge.ts";

export function createSweepDecisions(platform: Platform, delivery: Delivery): ApprovalActivities["sweepDecisions"] {
  return async ({ workspace_id, poll_interval_seconds }) => {
    let found = "swept";
    try {
      await delivery.reconcile(workspace_id, await platform.list(workspace_id, [], cancellationSignal()), "sweep");
    } catch (error) {
      found = messageOf(error);
    }
    throw ApplicationFailure.create({
      message: `${found}; the next sweep is in ${poll_interval_seconds} s`,
      type: "NEXT_SWEEP",
      nextRetryDelay: poll_interval_seconds * 1_000,
      category: "BENIGN",
    });
  };
}
