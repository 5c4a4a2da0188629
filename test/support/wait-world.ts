/**
 * A world in which one approval waits: a platform, people, hints, trouble. Times are milliseconds since the wait began.
 * test/support/wait-life.ts lives in it, test/support/wait-outcome.ts says what must come of it.
 */

/** From the first moment up to the second, which does not belong to it. */
export type Span = readonly [from: number, to: number];

/** What becomes of an approval, unless we withdraw it before. */
export interface Fate {
  readonly at: number;
  readonly status: "approved" | "denied";
  readonly by: string;
}

export interface Approval {
  readonly id: string;
  readonly created: number;
  readonly fate: Fate | undefined;
}

export interface Tip {
  readonly at: number;
  readonly payload: unknown;
  /** The approval whose fate it tells: it never comes where we were faster. Without it, somebody made it up. */
  readonly tells?: string;
}

export interface World {
  readonly timeout: number;
  /** The poll interval, which is the grace too. */
  readonly poll: number;
  /** The first is the one that is waited for; all carry our task id. */
  readonly approvals: readonly [Approval, ...Approval[]];
  /** False: the platform tells no times. */
  readonly timed: boolean;
  /** How far the platform's clock is off. */
  readonly skew: number;
  /** The list has 50 items. While `hidden`, the first approval is not among them. */
  readonly capped: boolean;
  readonly hidden: readonly Span[];
  readonly unreadable: readonly Span[];
  /** Deciding fails; while `mute` it succeeds, but its answer is lost. */
  readonly unwritable: readonly Span[];
  readonly mute: readonly Span[];
  /** What the platform says to a decision of ours. */
  readonly decides: "yes" | "refuses" | "has no route";
  /** No worker runs. */
  readonly stopped: readonly Span[];
  readonly tips: readonly Tip[];
  readonly cancelled: number | undefined;
  /** When the history is so long that the wait goes on in a new one. */
  readonly outgrown: number | undefined;
  /** How long a call of the platform, and writing a record, takes. */
  readonly callMs: number;
  readonly recordMs: number;
}

/** Hints with this proof are of the authenticated socket. */
export const PROOF = "proof";

export function deadlineOf({ approvals, timeout }: World): number {
  return approvals[0].created + timeout;
}

/** The moment, or where no worker runs then, the one at which one does again. */
export function awake(world: Pick<World, "stopped">, moment: number): number {
  const sleeping = world.stopped.find(([from, to]) => from <= moment && moment < to);
  return sleeping === undefined ? moment : awake(world, sleeping[1]);
}

export function during(spans: readonly Span[], moment: number): boolean {
  return spans.some(([from, to]) => from <= moment && moment < to);
}
