/** Where errors leave an activity: translated once, so that Temporal and the history see a stable type and no stack of ours. */
import { ApplicationFailure } from "@temporalio/common";
import { Context } from "@temporalio/activity";
import { ApprovalError, messageOf } from "../domain/errors.ts";

/** Fires when the activity is cancelled or its worker shuts down. */
export function cancellationSignal(): AbortSignal {
  return Context.current().cancellationSignal;
}

/** Rethrows a platform error as a failure whose `type` is our code. Benign: it is the platform's trouble and is retried. */
export function platformFailure(error: unknown): never {
  if (!(error instanceof ApprovalError)) throw error;
  throw ApplicationFailure.create({ message: messageOf(error), type: error.code, cause: error, category: "BENIGN" });
}
