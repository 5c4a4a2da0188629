/** Decisions that could not be handed over yet: nobody is known whose they are, or Temporal does not answer. Tried again. */
import { setTimeout as delay } from "node:timers/promises";
import type { Hint } from "../domain/ports.ts";

export interface Unmatched {
  /** Parks a decision; a full park or one that is parked already changes nothing. */
  park(workspaceId: string, hint: Hint): void;
}

/** What came of one try; "unreachable" says nothing about the decision. */
type Match = "matched" | "nobody" | "unreachable";

const KEPT = 1_000;
/** The memo of a workflow is visible within a second or two of its request; the rest is patience. */
const NOBODY_PAUSES_MS: readonly number[] = [250, 750, 2_000, 5_000, 15_000];
/** No backoff: while Temporal is down a try costs nothing but a refused call, and a decision should not outwait the outage. */
const UNREACHABLE_PAUSE_MS = 500;
/** After that a list tells it again. */
const UNREACHABLE_LIMIT_MS = 120_000;

/**
 * `match` is asked after each pause and tells whether the decision has found its request; it must not reject.
 * `dropped` hears of those that are nobody's.
 */
export function createUnmatched(
  match: (workspaceId: string, hint: Hint) => Promise<Match>,
  dropped: (workspaceId: string, hint: Hint) => void,
): Unmatched {
  const parked = new Set<string>();

  const follow = async (workspaceId: string, hint: Hint): Promise<void> => {
    const until = performance.now() + UNREACHABLE_LIMIT_MS;
    for (const pauseMs of NOBODY_PAUSES_MS) {
      // Unreferenced: a bridge that stops does not wait for what nobody has asked for.
      await delay(pauseMs, undefined, { ref: false });
      let found = await match(workspaceId, hint);
      while (found === "unreachable") {
        if (performance.now() > until) return;
        await delay(UNREACHABLE_PAUSE_MS, undefined, { ref: false });
        found = await match(workspaceId, hint);
      }
      if (found === "matched") return;
    }
    dropped(workspaceId, hint);
  };

  return {
    park(workspaceId, hint) {
      const key = `${workspaceId}/${hint.approval_id}/${hint.status}`;
      if (parked.has(key) || parked.size >= KEPT) return;
      parked.add(key);
      void follow(workspaceId, hint).finally(() => parked.delete(key));
    },
  };
}
