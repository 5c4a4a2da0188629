/**
 * How the workflows call activities. Local activities get one attempt, because one that retries blocks the workflow task;
 * where that is not enough the regular activity, or a timer of the workflow, takes over.
 */
import { proxyActivities, proxyLocalActivities, sleep } from "@temporalio/workflow";
import type { ApprovalActivities, BridgeActivities } from "../domain/ports.ts";
import { retryPause } from "../domain/wait.ts";

const ONCE = { maximumAttempts: 1 } as const;

/** The regular activities; a worker that is down does not end them. */
export const { createApproval } = proxyActivities<ApprovalActivities>({
  startToCloseTimeout: "45s",
  heartbeatTimeout: "5s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "10s" },
});

const patient = proxyActivities<ApprovalActivities>({
  startToCloseTimeout: "10s",
  // Attempts after 0, 1, 3, 7, 15, 25, 35, 45 and 55 s: the minute for which a record is retried. Time without a worker does not count.
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "10s", maximumAttempts: 9 },
});

/** Reads for as long as the platform is away, at most a day; the retries hold no slot and add no history. */
export const { confirmDecision: confirmPatiently } = proxyActivities<ApprovalActivities>({
  startToCloseTimeout: "15s",
  scheduleToCloseTimeout: "1 day",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "30s" },
});

const quick = proxyLocalActivities<ApprovalActivities>({ startToCloseTimeout: "5s", retry: ONCE });

/** Local first, since it nearly always succeeds at once; the regular activity when it does not. */
export async function checkPermission(workspaceId: string): ReturnType<ApprovalActivities["checkPermission"]> {
  const input = { workspace_id: workspaceId };
  try {
    return await quick.checkPermission(input);
  } catch {
    return await patient.checkPermission(input);
  }
}

/** Local first; then the regular activity, for a minute of attempts. Throws when no attempt could write. */
export async function recordOutcome(
  input: Parameters<ApprovalActivities["recordOutcome"]>[0],
): ReturnType<ApprovalActivities["recordOutcome"]> {
  try {
    return await quick.recordOutcome(input);
  } catch {
    return await patient.recordOutcome(input);
  }
}

/** One local attempt of at most `timeoutMs` (1 to 12 s). */
export function platformStep(timeoutMs: number): Pick<ApprovalActivities, "confirmDecision" | "withdrawApproval"> {
  return proxyLocalActivities<ApprovalActivities>({
    startToCloseTimeout: Math.min(12_000, Math.max(1_000, Math.ceil(timeoutMs))),
    retry: ONCE,
  });
}

/**
 * Tries until it succeeds or the budget ends; `undefined` where every attempt failed.
 * An attempt that a dying worker took along is run again by the next worker, so there is always one whole attempt.
 */
export async function within<T>(
  budgetEndMs: number,
  attempt: (step: ReturnType<typeof platformStep>) => Promise<T>,
): Promise<T | undefined> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt(platformStep(budgetEndMs - Date.now()));
    } catch {
      const pauseMs = retryPause(failures, budgetEndMs - Date.now());
      if (pauseMs === undefined) return undefined;
      await sleep(pauseMs);
    }
  }
}

/** The stream of one workspace on the bridge's queue: one attempt, because the watch itself is the retry. */
export function streamStep(taskQueue: string, heartbeatSeconds: number, activityId: string): BridgeActivities {
  return proxyActivities<BridgeActivities>({
    taskQueue,
    activityId,
    heartbeatTimeout: heartbeatSeconds * 1_000,
    startToCloseTimeout: "1 day",
    retry: ONCE,
    cancellationType: "TRY_CANCEL",
  });
}

/** The polling fallback: one attempt per interval, as retries, which hold no slot and add no history. */
export function sweepStep(pollIntervalSeconds: number): Pick<ApprovalActivities, "sweepDecisions"> {
  return proxyActivities<ApprovalActivities>({
    startToCloseTimeout: "20s",
    retry: {
      initialInterval: pollIntervalSeconds * 1_000,
      maximumInterval: pollIntervalSeconds * 1_000,
      backoffCoefficient: 1,
    },
    cancellationType: "TRY_CANCEL",
  });
}

/** Local, once: asked for rarely, and asked again later where it fails. */
export const { countWaiting } = proxyLocalActivities<ApprovalActivities>({ startToCloseTimeout: "10s", retry: ONCE });

/** One local attempt to write a record. */
export const { recordOutcome: recordOnce } = quick;
