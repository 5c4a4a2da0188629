/** What the next version does more, by the names of its patches. */

/** A request that began before this version has passed this place, and goes on without it. */
export const BEFORE = "a-step-before";
/** Whoever gets here gets here with this version. */
export const AFTER = "a-step-after";
