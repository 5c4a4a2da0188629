/** Trying again through an outage of Temporal. */
import { setTimeout as delay } from "node:timers/promises";
import { isOutage } from "./temporal-faults.ts";

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 1_000;

export interface Persistence {
  /** How long to try from the first attempt on. Default: for ever. */
  readonly patienceMs?: number;
  /** Ends the waiting between attempts; the abort's reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Hears of each failed attempt. */
  readonly onOutage?: (error: unknown) => void;
}

/** Runs `work` until it succeeds, is refused for good, or patience ends: then the last error is thrown. */
export async function persist<T>(work: () => Promise<T>, options: Persistence = {}): Promise<T> {
  const giveUpAt = Date.now() + (options.patienceMs ?? Number.POSITIVE_INFINITY);
  for (let attempt = 0; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      const left = giveUpAt - Date.now();
      if (!isOutage(error) || left <= 0) throw error;
      options.signal?.throwIfAborted();
      options.onOutage?.(error);
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
      await pause(Math.min(wait, left), options.signal);
    }
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch {
    signal?.throwIfAborted();
  }
}
