/** Where the nemesis plays, and what a piece of mischief is. */
import { setTimeout as delay } from "node:timers/promises";
import type { PartProcess } from "../../test/support/processes.ts";
import type { OpenBook, OwnTemporal, Stage } from "../field.ts";
import type { LossyLine } from "../lossy-line.ts";
import type { Spell } from "../witness.ts";
import type { Move } from "./plan.ts";

export type PartName = "worker" | "bridge";

export interface Scene {
  readonly stage: Stage;
  readonly temporal: OwnTemporal;
  /** Between the agents and Temporal. */
  readonly line: LossyLine;
  readonly book: OpenBook;
  /** The processes that are meant to be up. One that ends by itself is started again, as whoever runs it would. */
  readonly parts: Map<PartName, PartProcess>;
  /** Starts a part that is meant to be up from now on. */
  launch(name: PartName): void;
  /** What went wrong that no invariant speaks of. */
  readonly complaints: string[];
  /** A link to the folder of the audit log. */
  readonly auditFolder: string;
  /** Changes of what the platform lists, each under its name. */
  readonly lists: Map<string, (items: readonly object[]) => readonly object[]>;
}

/**
 * Ends by itself and leaves everything as it was, whatever happens. May throw, such as for a server that is down.
 * False where the moment that it waited for did not come.
 */
export type Mischief = (scene: Scene, move: Move) => Promise<boolean | void>;

export type Lane = { readonly [name: string]: Mischief };

/** Notes a time that explains an outcome: from before the first change to after the last. */
export async function noted(spells: Spell[], during: () => Promise<void>): Promise<void> {
  const from_ms = Date.now();
  // Until it is over nobody knows how long it takes.
  const at = spells.push({ from_ms, to_ms: Infinity }) - 1;
  try {
    await during();
  } finally {
    spells[at] = { from_ms, to_ms: Date.now() };
  }
}

/** Spoils something for as long as the move lasts, and mends it in any case. */
export async function meanwhile({ lastsMs }: Move, mend: () => unknown): Promise<void> {
  try {
    await delay(lastsMs);
  } finally {
    await mend();
  }
}
