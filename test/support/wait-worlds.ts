/** Worlds for property tests: anything that can happen to a wait, mostly around the moments that matter. */
import fc from "fast-check";
import { isPerson } from "./wait-outcome.ts";
import { PROOF, type Approval, type Fate, type Span, type Tip, type World } from "./wait-world.ts";

/** A moment by what it is near: the beginning, the deadline, the end of the grace, the end of the budget. */
interface Moment {
  readonly near: "start" | "deadline" | "grace" | "budget";
  readonly by: number;
}

const seconds = (min: number, max: number) =>
  fc.integer({ min: min * 4, max: max * 4 }).map((quarters) => quarters * 250);
const near = (place: Moment["near"], min: number, max: number): fc.Arbitrary<Moment> =>
  seconds(min, max).map((by) => ({ near: place, by }));
const moment = fc.oneof(
  { weight: 3, arbitrary: near("start", 0, 60) },
  { weight: 3, arbitrary: near("deadline", -3, 3) },
  { weight: 1, arbitrary: near("grace", -1, 1) },
  { weight: 1, arbitrary: near("budget", -9, 2) },
);
const spans = (maxLength: number) =>
  fc.array(fc.record({ from: moment, lasts: fc.constantFrom(500, 2_000, 8_000, 30_000, Infinity) }), { maxLength });
const rarely = <T>(arbitrary: fc.Arbitrary<T>, otherwise: T) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(otherwise) }, { weight: 1, arbitrary });

const status = fc.constantFrom("approved" as const, "denied" as const);
const people = fc.constantFrom("ana", "bob", "");
const others = fc.constantFrom(
  "auto-expired",
  "countersign:timed_out",
  "countersign:cancelled",
  "countersign:orphaned",
  "Countersign:forged",
);
const fate = fc.record({
  at: moment,
  status,
  by: fc.oneof({ weight: 4, arbitrary: people }, { weight: 1, arbitrary: others }),
  /** After how long somebody tells of it. */
  told: fc.array(seconds(0, 5), { maxLength: 3 }),
});

/** What nobody did, told by somebody. */
const madeUp = fc.record({
  at: moment,
  payload: fc.oneof(
    fc.record({
      approval_id: fc.constantFrom("a", "a", "b", "another"),
      status,
      decided_by: fc.option(people, { nil: undefined }),
      source: fc.constantFrom("socket", "sweep", "manual"),
      proof: fc.constantFrom(undefined, "", "guessed"),
    }),
    fc.constantFrom(undefined, "approved", { approval_id: "a", status: "granted", source: "socket" }),
  ),
});

const draft = fc.record({
  timeout: seconds(2, 90),
  poll: seconds(1, 5),
  stood: rarely(seconds(0, 30), 0),
  fates: fc.tuple(fc.option(fate, { freq: 3 }), fc.option(fate), fc.option(fate)),
  twins: rarely(fc.integer({ min: 1, max: 2 }), 0),
  /** All fates at the moment of the first. */
  together: rarely(fc.constant(true), false),
  timed: fc.constantFrom(true, true, false),
  skew: fc.constantFrom(0, -600_000, 600_000),
  capped: fc.boolean(),
  hidden: rarely(spans(2), []),
  /** Hidden by 50 newer approvals from the beginning to the end. */
  buried: rarely(fc.constant(true), false),
  unreadable: spans(2),
  unwritable: rarely(spans(2), []),
  mute: rarely(spans(1), []),
  decides: fc.constantFrom("yes" as const, "yes" as const, "yes" as const, "refuses" as const, "has no route" as const),
  stopped: rarely(spans(1), []),
  madeUp: fc.array(madeUp, { maxLength: 6 }),
  cancelled: fc.option(moment, { nil: undefined, freq: 2 }),
  outgrown: rarely(fc.option(moment), null),
  callMs: fc.constantFrom(0, 0, 40, 700, 1_500, 11_000),
  recordMs: fc.constantFrom(0, 0, 15, 900),
});
type Draft = typeof draft extends fc.Arbitrary<infer T> ? T : never;

function worldOf(drawn: Draft): World {
  const { timeout, poll, stood, twins, fates, together, buried } = drawn;
  const deadline = timeout - stood;
  const places = { start: 0, deadline, grace: deadline + poll, budget: deadline + 25_000 };
  const when = (moment: Moment) => places[moment.near] + moment.by;
  const during = (list: Draft["unreadable"]): Span[] =>
    list.map(({ from, lasts }) => [when(from), when(from) + lasts] as const);

  const approvals: Approval[] = [];
  const tips: Tip[] = drawn.madeUp.map(({ at, payload }) => ({ at: when(at), payload }));
  for (const [index, id] of ["a", "b", "c"].slice(0, 1 + twins).entries()) {
    const drawnFate = fates[index] ?? null;
    // The oldest is the one that is waited for.
    const created = index * 500 - stood;
    const its: Fate | undefined =
      drawnFate === null
        ? undefined
        : {
            at: Math.max(created, when(together ? (fates[0] ?? drawnFate).at : drawnFate.at)),
            status: drawnFate.status,
            by: drawnFate.by,
          };
    approvals.push({ id, created, fate: its });
    // No event tells of an expiry.
    if (its === undefined || its.by === "auto-expired") continue;
    const payload = { approval_id: id, status: its.status, decided_by: its.by, source: "socket", proof: PROOF };
    for (const delay of drawnFate?.told ?? []) tips.push({ at: its.at + delay, payload, tells: id });
  }
  return {
    timeout,
    poll,
    approvals: approvals as [Approval, ...Approval[]],
    timed: drawn.timed,
    skew: drawn.skew,
    capped: buried || drawn.capped,
    hidden: buried ? [[-Infinity, Infinity]] : during(drawn.hidden),
    unreadable: during(drawn.unreadable),
    unwritable: during(drawn.unwritable),
    mute: during(drawn.mute),
    decides: drawn.decides,
    // No promise counts while no worker runs, so one comes back.
    stopped: during(drawn.stopped).map(([from, to]) => [from, Math.min(to, from + 120_000)] as const),
    tips,
    cancelled: drawn.cancelled === undefined ? undefined : when(drawn.cancelled),
    outgrown: drawn.outgrown === null ? undefined : when(drawn.outgrown),
    callMs: drawn.callMs,
    recordMs: drawn.recordMs,
  };
}

/** Any world. */
export const worlds: fc.Arbitrary<World> = draft.map(worldOf);

/** One in which nothing takes time, nobody is stopped, and the platform shows, tells and does all that it should. */
export const quietWorlds: fc.Arbitrary<World> = worlds.map((world) => ({ ...world, ...QUIET }));

export const QUIET = {
  capped: false,
  hidden: [],
  unreadable: [],
  unwritable: [],
  mute: [],
  decides: "yes",
  stopped: [],
  callMs: 0,
  recordMs: 0,
} as const satisfies Partial<World>;

/** The same world in which only the truth is told, where it is told. */
export function withoutMadeUp(world: World): World {
  return { ...world, tips: world.tips.filter(({ tells }) => tells !== undefined) };
}

/** Whether a person decides the first approval. */
export function isDecided({ approvals: [own] }: World): boolean {
  return own.fate !== undefined && isPerson(own.fate.by);
}
