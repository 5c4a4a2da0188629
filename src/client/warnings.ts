/** Warnings of the client: nothing has failed yet, but a person should know why it takes long. */
import { redact } from "../domain/redact.ts";
import { hasWorker } from "./has-worker.ts";
import type { Temporal } from "./temporal-pool.ts";

export interface Warning {
  /** COUNTERSIGN_NO_WORKER: nobody polls the queue. COUNTERSIGN_TEMPORAL_LOST: an outage of Temporal in mid-wait. */
  readonly code: "COUNTERSIGN_NO_WORKER" | "COUNTERSIGN_TEMPORAL_LOST";
  readonly message: string;
}

export type Warn = (warning: Warning) => void;

/** The default: `process.emitWarning`, which writes to stderr and can be listened to. */
export const emitWarning: Warn = ({ code, message }) =>
  process.emitWarning(message, { type: "CountersignWarning", code });

/**
 * After `afterMs`, looks once whether anybody polls the queue, and warns if not. Returns the function that calls it off.
 * A queue that cannot be looked up is not warned about: the waiting itself tells of outages.
 */
export function warnWithoutWorker(temporal: Temporal, taskQueue: string, afterMs: number, warn: Warn): () => void {
  let calledOff = false;
  const look = async () => {
    if ((await hasWorker(temporal, taskQueue)) || calledOff) return;
    warn({
      code: "COUNTERSIGN_NO_WORKER",
      message: `No worker polls the task queue ${taskQueue}, so nobody is asked yet. Start one with: countersign worker`,
    });
  };
  const timer = setTimeout(() => void look().catch(() => undefined), afterMs);
  return () => {
    calledOff = true;
    clearTimeout(timer);
  };
}

/** The text of an outage in mid-wait. */
export function outageWarning(address: string, workflowId: string, cause: string): Warning {
  return {
    code: "COUNTERSIGN_TEMPORAL_LOST",
    message: `Temporal at ${address} does not answer (${redact(cause)}). Still waiting for ${workflowId}, which goes on without us.`,
  };
}
