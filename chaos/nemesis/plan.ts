/** What the nemesis will do, drawn from the seed before anything happens: the same seed gives the same requests, people and faults. */
import { randomFrom, type Random } from "../random.ts";

export interface Length {
  /** Of faults. */
  readonly seconds: number;
  readonly requests: number;
}

export interface PlannedRequest {
  readonly n: number;
  readonly startMs: number;
  readonly timeoutSeconds: number;
  /** Bare: it starts the workflow with a client of Temporal's own and a second's patience. Unheard: and the first answer gets lost. */
  readonly agent: "ours" | "bare" | "unheard";
  /** What becomes of it. `disputed`: two people decide at once, and not alike. */
  readonly fate: "approved" | "denied" | "disputed" | "withdrawn" | "forgotten";
  /** After its start. */
  readonly fateMs: number;
  /** How often a person who got no answer tries again, and an agent whose start failed asks again. */
  readonly insists: number;
}

/** One piece of mischief, and all that chance has to say about it. */
export interface Move {
  readonly name: string;
  readonly lastsMs: number;
  readonly pauseMs: number;
  /** Before or after the platform has done what it was asked. */
  readonly when: "before" | "after";
  /** A whole number to choose by: `choice % length`. */
  readonly choice: number;
}

export interface Plan {
  /** How far the platform's clock is ahead of everybody else's. Steps of it in mid-request would make its times lie. */
  readonly clockOffsetMs: number;
  /**
   * With COUNTERSIGN_HINT_KEY lists are cut short at times, and a proven frame then counts. Without, frames are forged.
   * Never both: whoever writes on the platform's own authenticated socket is the platform.
   */
  readonly hintKey: boolean;
  readonly requests: readonly PlannedRequest[];
  /** Each is worked off in its order, beside the others. */
  readonly lanes: readonly (readonly Move[])[];
}

const FATES = ["approved", "approved", "approved", "denied", "disputed", "withdrawn", "forgotten"] as const;
const AGENTS = ["ours", "ours", "ours", "ours", "bare", "unheard"] as const;
const CLOCKS_MS = [0, 600_000, -600_000, 3_000, -3_000] as const;

/** `lanes`: the names that each lane draws from. Those that are only for runs with, or without, a hint key start with + or -. */
export function draw(seed: number, { seconds, requests }: Length, lanes: readonly (readonly string[])[]): Plan {
  const random = randomFrom(seed);
  const hintKey = random.below(2) === 0;
  const clockOffsetMs = random.oneOf(CLOCKS_MS);
  const played = lanes.map((names) =>
    names.filter((name) => !name.startsWith(hintKey ? "-" : "+")).map((name) => name.replace(/^[+-]/, "")),
  );
  return {
    clockOffsetMs,
    hintKey,
    requests: Array.from({ length: requests }, (_, n) => ({
      n,
      startMs: random.below(seconds * 800),
      timeoutSeconds: 5 + random.below(30),
      agent: random.oneOf(AGENTS),
      fate: random.oneOf(FATES),
      fateMs: random.below(20_000),
      insists: random.below(3),
    })),
    lanes: played.map((names) => moves(random, names, seconds * 2)),
  };
}

/** So many that no lane runs dry. Every kind once, in a new order each time, so that a short run has nearly all of them. */
function moves(random: Random, names: readonly string[], count: number): readonly Move[] {
  const bag: string[] = [];
  return Array.from({ length: count }, () => {
    if (bag.length === 0) bag.push(...names);
    const [name = ""] = bag.splice(random.below(bag.length), 1);
    return {
      name,
      lastsMs: 200 + random.below(3_000),
      pauseMs: random.below(1_500),
      when: random.oneOf(["before", "after"] as const),
      choice: random.below(2 ** 20),
    };
  });
}
