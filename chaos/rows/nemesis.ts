/** Row 54: everything at once, by a seed. The driver only remembers what it did; the checker says afterwards what had to hold. */
import { play } from "../nemesis/play.ts";
import type { Row } from "../row.ts";

export const NEMESIS: readonly Row[] = [
  {
    row: 54,
    name: "a seeded nemesis: 60 requests in 60 s of faults",
    alone: true,
    limitMs: 360_000,
    run: (field) => play(field, { seconds: 60, requests: 60 }),
  },
  {
    row: 54,
    name: "a seeded nemesis: 500 requests in 10 min of faults",
    alone: true,
    longOnly: true,
    limitMs: 1_500_000,
    run: (field) => play(field, { seconds: 600, requests: 500 }),
  },
];
