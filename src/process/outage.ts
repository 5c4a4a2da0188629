/** Notices an outage of Temporal while a process serves, and its end. */
import { pause } from "../activities/pause.ts";
import { messageOf } from "../domain/errors.ts";
import type { Health } from "../health.ts";
import type { TemporalLink } from "./temporal-link.ts";

const ASK_MS = 1_000;
/** In an outage; soon enough that its end is noticed within a second (src/config/reconnect.ts). */
const ASK_AGAIN_MS = 250;
/** After a shorter one the SDK's own polls come back in time: they wait 200 ms, doubling to 10 s. */
const SHORT_MS = 1_000;

/**
 * Asks once a second how Temporal is, tells the health, and calls `onReturn` at the end of each outage of a second or more.
 * Resolves when `signal` fires, and never rejects.
 */
export async function watchTemporal(
  link: TemporalLink,
  health: Health,
  signal: AbortSignal,
  onReturn: () => void,
): Promise<void> {
  let lostMs: number | undefined;
  for (;;) {
    await pause(lostMs === undefined ? ASK_MS : ASK_AGAIN_MS, signal);
    if (signal.aborted) return;
    const problem = await link.trouble().catch(messageOf);
    if (signal.aborted) return;
    health.set("temporal", problem);
    const now = performance.now();
    if (problem === undefined && lostMs !== undefined && now - lostMs >= SHORT_MS) onReturn();
    // From the first failure on: one call that hangs for its whole time is no outage, because the polls hang and wake with it.
    lostMs = problem === undefined ? undefined : (lostMs ?? now);
  }
}
