/** Decisions that were heard of before anybody knew whose they are: tried again a few times, then dropped. */
import type { Told } from "./deliver.ts";

export interface Unmatched {
  /** Parks a decision; a full park or one that is parked already changes nothing. */
  park(workspaceId: string, told: Told): void;
}

const KEPT = 1_000;
/** The memo of a workflow is visible within a second or two of its request; the rest is patience. */
const PAUSES_MS: readonly number[] = [250, 750, 2_000, 5_000, 15_000];

/**
 * `match` is asked after each pause and tells whether the decision has found its request; it must not reject.
 * `dropped` hears of those that never did.
 */
export function createUnmatched(
  match: (workspaceId: string, told: Told) => Promise<boolean>,
  dropped: (workspaceId: string, told: Told) => void,
): Unmatched {
  const parked = new Set<string>();

  const follow = (workspaceId: string, told: Told, key: string, tries: number): void => {
    // Unreferenced: a bridge that stops does not wait for what nobody has asked for.
    setTimeout(() => {
      void match(workspaceId, told).then((matched) => {
        if (!matched && tries + 1 < PAUSES_MS.length) return follow(workspaceId, told, key, tries + 1);
        parked.delete(key);
        if (!matched) dropped(workspaceId, told);
      });
    }, PAUSES_MS[tries]).unref();
  };

  return {
    park(workspaceId, told) {
      const key = `${workspaceId}/${told.approval_id}/${told.status}`;
      if (parked.has(key) || parked.size >= KEPT) return;
      parked.add(key);
      follow(workspaceId, told, key, 0);
    },
  };
}
