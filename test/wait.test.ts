/** The wait of one approval, in thousands of worlds: hints, readings, timers, twins, outages and cancellations in any order. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { WaitEnding } from "../src/domain/wait-moves.ts";
import { live, type Entry, type Life } from "./support/wait-life.ts";
import { idleAfter, isPerson, outcomeOf, settledBy, type Outcome } from "./support/wait-outcome.ts";
import { QUIET, isDecided, quietWorlds, withoutMadeUp, worlds } from "./support/wait-worlds.ts";
import { awake, deadlineOf, type Fate, type World } from "./support/wait-world.ts";

type Read = Extract<Entry, { kind: "read" }>;

const BUDGET = 25_000;
const RUNS = 2_000;

/** Holds the property in every world. Where it answers false, the world says nothing about it; some must, or it would prove nothing. */
function holds(of: fc.Arbitrary<World>, property: (world: World) => boolean | void): void {
  let telling = 0;
  fc.assert(
    fc.property(of, (world) => {
      if (property(world) !== false) telling++;
    }),
    { numRuns: RUNS },
  );
  assert.ok(telling >= RUNS / 100, `only ${telling} of ${RUNS} worlds say something`);
}

function shown(ending: WaitEnding): Outcome {
  switch (ending.kind) {
    case "decided":
      return { status: ending.decision.status, verified: ending.decision.verified };
    case "expired":
      return { status: "expired" };
    case "late":
      return { status: "timed_out", withdrawn: false };
    case "withdrawn":
      return { status: ending.timed_out ? "timed_out" : "cancelled", withdrawn: true };
    case "timed_out":
    case "cancelled":
      return { status: ending.kind, withdrawn: ending.withdrawn };
  }
}

function readsOf({ log }: Life): readonly Read[] {
  return log.filter((entry): entry is Read => entry.kind === "read");
}

/** When the wait knew that it had to end: from then on the budget counts. */
function overAt(world: World, { log, passed }: Life): number {
  return Math.min(passed ?? Infinity, idleAfter(world, log));
}

function ownFate(life: Life, id = "a"): Fate | undefined {
  return life.left.find((row) => row.id === id)?.fate;
}

/** The first moment at which the deadline or a cancellation has come. */
function firstEnd(world: World): number {
  return Math.min(deadlineOf(world), world.cancelled ?? Infinity);
}

/** Makes all trouble with the platform end by a moment that may depend on the world. */
function troubleUntil(world: World, moment: number): World {
  const cut = (spans: World["unreadable"]) => spans.map(([from, to]) => [from, Math.min(to, moment)] as const);
  return { ...world, unreadable: cut(world.unreadable), unwritable: cut(world.unwritable), mute: cut(world.mute) };
}

describe("a wait, whatever happens in whatever order,", () => {
  test("ends as the table of situations and outcomes says", () => {
    holds(worlds, (world) => {
      const life = live(world);
      assert.deepEqual(shown(life.ending), outcomeOf(world, life));
    });
  });

  test("ends with the first reading that settles something, and with what that reading shows", () => {
    holds(worlds, (world) => {
      const life = live(world);
      const reads = readsOf(life);
      const settling = reads.findIndex(({ sight, end }) => sight !== undefined && settledBy(sight, end, world));
      if (settling === -1) return false;
      assert.equal(settling, reads.length - 1);
      if (life.ending.kind !== "decided" || !life.ending.decision.verified) return true;
      const { approval_id, status, decided_by } = life.ending.decision;
      const row = reads.at(-1)?.sight?.rows.find(({ id }) => id === approval_id);
      assert.deepEqual([row?.fate?.status, row?.fate?.by], [status, decided_by]);
      return true;
    });
  });

  test("ends 25 s after its deadline or cancellation at the latest, but for the calls that run then", () => {
    holds(worlds, (world) => {
      const life = live(world);
      const over = overAt(world, life);
      if (life.end <= over) return false;
      // What a worker missed counts from its return.
      const back = world.stopped.map(([, to]) => to).filter((to) => to <= life.end);
      const calls = world.callMs === 0 ? 0 : 3_000;
      const aside = life.log.filter(({ kind, end }) => (kind === "note" || kind === "twins") && end > over);
      const asideMs = aside.reduce((sum, { start, end }) => sum + end - start, 0);
      assert.ok(
        life.end <= Math.max(over, ...back) + BUDGET + calls + asideMs,
        `it ended at ${life.end}, over ${over}`,
      );
      return true;
    });
  });

  test("is never approved unless a person approved, in time, on the platform as it was read", () => {
    holds(worlds, (world) => {
      const life = live(world);
      if (life.ending.kind !== "decided" || life.ending.decision.status !== "approved") return false;
      const { approval_id, verified } = life.ending.decision;
      const approval = world.approvals.find(({ id }) => id === approval_id);
      const fate = ownFate(life, approval_id);
      assert.ok(approval !== undefined && fate?.status === "approved" && isPerson(fate.by));
      const read = readsOf(life).at(-1);
      const readInTime = (read?.end ?? Infinity) <= deadlineOf(world) + world.poll;
      const inTime = fate.at - approval.created <= world.timeout + world.poll;
      assert.ok(world.timed && verified ? inTime : readInTime);
      const shownByList = read?.sight?.rows.some(({ id }) => id === approval_id) === true;
      assert.equal(verified, shownByList);
      if (!verified) assert.ok(world.capped && (read?.sight?.proven.length ?? 0) > 0);
      return true;
    });
  });

  test("withdraws only what its last reading showed open, and says withdrawn only of what Countersign has closed", () => {
    holds(worlds, (world) => {
      const life = live(world);
      const withdrawal = life.log.findIndex(({ kind }) => kind === "withdraw");
      if (withdrawal !== -1) {
        const before = readsOf({ ...life, log: life.log.slice(0, withdrawal) }).at(-1);
        assert.ok(before?.closing === true && before.sight !== undefined);
        assert.equal(settledBy(before.sight, before.end, world), undefined);
      }
      const outcome = shown(life.ending);
      if (!("withdrawn" in outcome) || !outcome.withdrawn) return false;
      assert.match(ownFate(life)?.by ?? "", /^countersign:/i);
      return true;
    });
  });

  test("reads at most once a second while it waits", () => {
    holds(worlds, (world) => {
      const starts = readsOf(live(world))
        .filter(({ closing }) => !closing)
        .map(({ start }) => start);
      for (const [index, start] of starts.slice(1).entries()) assert.ok(start - (starts[index] as number) >= 1_000);
      return starts.length > 1;
    });
  });

  test("reads again after 1 s doubling to 30 s where a reading settled nothing, and a hint starts this over", () => {
    const troubled = worlds.map((world) => ({ ...world, stopped: [] }));
    holds(troubled, (world) => {
      const life = live(world);
      const reads = readsOf(life);
      let pause = 0;
      for (const [index, read] of reads.entries()) {
        const following = reads[index + 1];
        if (read.closing || following === undefined) break;
        pause = read.hinted ? 1_000 : Math.min(pause * 2, 30_000);
        const idle = Math.max(...life.log.filter(({ start }) => start < following.start).map(({ end }) => end));
        assert.ok(following.start <= idle + pause);
        if (!following.closing && !following.hinted) assert.ok(following.start >= idle + pause);
      }
      return reads.filter(({ closing, hinted }) => !closing && !hinted).length > 1;
    });
  });

  test("tries at least every 8 s in its last 25 s", () => {
    const troubled = worlds.map((world) => ({ ...world, stopped: [] }));
    holds(troubled, (world) => {
      const reads = readsOf(live(world)).filter(({ closing }) => closing);
      const failed = reads.filter(({ sight }) => sight === undefined);
      for (const read of failed) {
        const following = reads[reads.indexOf(read) + 1];
        assert.ok(following === undefined || following.start <= read.end + 8_000);
      }
      return failed.length > 4;
    });
  });

  test("leaves nothing open that a reading showed, and closes a twin as a duplicate", () => {
    holds(quietWorlds, (world) => {
      const life = live(world);
      const natural = new Map(world.approvals.map(({ id, fate }) => [id, fate]));
      for (const { id, fate } of life.left) {
        assert.ok(fate !== undefined, `${id} is open`);
        if (fate === natural.get(id)) continue;
        const settled = !["timed_out", "cancelled", "withdrawn"].includes(life.ending.kind);
        if (id !== "a" || settled) assert.equal(fate.by, "countersign:duplicate");
      }
      return life.left.length > 1;
    });
  });

  test("leaves at most one record of each kind for an approval, and each has its reason", () => {
    holds(worlds, (world) => {
      const life = live(world);
      const notes = life.log.filter((entry) => entry.kind === "note");
      const about = (kind: string) => notes.filter(({ what }) => what === kind).map((note) => note.about);
      const vain = readsOf(life).filter(
        ({ closing, hinted, sight, end }) =>
          !closing && hinted && sight !== undefined && settledBy(sight, end, world) === undefined,
      );
      assert.deepEqual(about("hint.unconfirmed"), vain.length > 0 ? ["a"] : []);
      const contrary =
        life.ending.kind === "decided" &&
        world.tips.some(
          ({ at, payload }) =>
            life.ending.kind === "decided" && awake(world, at) <= life.end && contradicts(payload, life.ending),
        );
      assert.equal(about("decision.conflict").length, contrary ? 1 : 0);
      const twins = about("create.duplicate");
      assert.equal(new Set(twins).size, twins.length);
      for (const twin of twins) assert.ok(world.approvals.some(({ id }) => id === twin));
      return notes.length > 0;
    });
  });
});

/** Whether a payload is a hint that says the opposite of the decision. */
function contradicts(payload: unknown, { decision }: Extract<WaitEnding, { kind: "decided" }>): boolean {
  const { approval_id, status } = (payload ?? {}) as { approval_id?: string; status?: string };
  const known = status === "approved" || status === "denied";
  return known && approval_id === decision.approval_id && status !== decision.status;
}

describe("hints alone change nothing:", () => {
  // One approval, because a second one is withdrawn as soon as a reading shows it, and then nobody can decide it.
  // And a platform that can be read at the end, because what can only be read before it needs a hint to be read in time.
  const settled = worlds.map((world): World => ({
    ...world,
    ...QUIET,
    approvals: [world.approvals[0]],
    unreadable: troubleUntil(world, firstEnd(world)).unreadable,
  }));

  test("without them, or with made-up ones beside them, the end is the same", () => {
    holds(settled, (world) => {
      const { ending } = live(world);
      assert.deepEqual(live({ ...world, tips: [] }).ending, ending);
      assert.deepEqual(live(withoutMadeUp(world)).ending, ending);
      return world.tips.length > 0;
    });
  });

  test("told twice, they change neither the end nor a single reading, in any world", () => {
    holds(worlds, (world) => {
      const twice = { ...world, tips: world.tips.flatMap((tip) => [tip, tip]) };
      assert.deepEqual(live(twice), live(world));
      return world.tips.length > 0;
    });
  });

  test("they only make it sooner: a true one is answered within a second", () => {
    holds(quietWorlds, (world) => {
      const life = live(world);
      const told = world.tips.find(({ tells, at }) => tells === "a" && at >= 0 && at < firstEnd(world));
      if (told === undefined) return false;
      assert.ok(life.end <= told.at + 1_000);
      return true;
    });
  });

  test("a history that is carried on in a new one changes the end as little", () => {
    holds(settled, (world) => {
      const life = live(world);
      assert.deepEqual(live({ ...world, outgrown: undefined }).ending, life.ending);
      return life.carried;
    });
  });
});

describe("a person's decision", () => {
  test("in time counts if it can be read before the budget is over, however many readings failed before", () => {
    const readable = worlds.map((world): World => {
      const shownInTime = { ...world, timed: true, hidden: [], stopped: [], callMs: Math.min(world.callMs, 700) };
      return troubleUntil(shownInTime, firstEnd(world) + 12_000);
    });
    holds(readable, (world) => {
      const life = live(world);
      const { created } = world.approvals[0];
      const fate = ownFate(life);
      const lastRead = readsOf(life).at(-1)?.end ?? -Infinity;
      if (fate === undefined || !isPerson(fate.by) || fate.at > lastRead) return false;
      if (fate.at - created > world.timeout + world.poll) return false;
      assert.equal(life.ending.kind, "decided");
      return true;
    });
  });

  test("that comes between the last reading and the withdrawal counts too", () => {
    const close = quietWorlds.filter(isDecided).map((world): World => {
      const [own] = world.approvals;
      const at = Math.max(0, deadlineOf(world)) + 600;
      const fate = { ...(own.fate as Fate), at };
      return { ...world, approvals: [{ ...own, fate }], timed: true, callMs: 500, tips: [], cancelled: undefined };
    });
    holds(close, (world) => {
      if (deadlineOf(world) < 0) return false;
      assert.equal(live(world).ending.kind, "decided");
      return true;
    });
  });

  test("that stands on the platform wins over a cancellation", () => {
    const cancelled = fc
      .tuple(quietWorlds.filter(isDecided), fc.integer({ min: 0, max: 20 }))
      .map(([world, quarters]): World => {
        const [own, ...twins] = world.approvals;
        const at = Math.min((own.fate as Fate).at, Math.max(0, deadlineOf(world)));
        const fate = { ...(own.fate as Fate), at };
        return { ...world, approvals: [{ ...own, fate }, ...twins], timed: true, cancelled: at + quarters * 250 };
      });
    holds(cancelled, (world) => {
      const [{ created, fate }] = world.approvals;
      if ((fate as Fate).at - created > world.timeout + world.poll) return false;
      assert.equal(live(world).ending.kind, "decided");
      return true;
    });
  });
});

test("a twin that was decided too late leaves nothing open: ours is the one too many then", () => {
  const late: Fate = { at: 9_000, status: "approved", by: "ana" };
  const life = live({
    ...QUIET,
    timeout: 5_000,
    poll: 1_000,
    approvals: [
      { id: "a", created: 0, fate: undefined },
      { id: "b", created: 500, fate: late },
    ],
    timed: true,
    skew: 0,
    // Nobody reads before it is too late.
    stopped: [[1_000, 10_000]],
    tips: [],
    cancelled: undefined,
    outgrown: undefined,
  });
  assert.equal(life.ending.kind, "late");
  assert.equal(ownFate(life)?.by, "countersign:duplicate");
  assert.deepEqual(ownFate(life, "b"), late);
});

test("a cancellation that is noticed together with the deadline is a timeout", () => {
  const together = fc.tuple(quietWorlds, fc.integer({ min: -8, max: 8 })).map(([world, quarters]): World => {
    const deadline = Math.max(0, deadlineOf(world));
    const cancelled = deadline + quarters * 250;
    return { ...world, cancelled, stopped: [[deadline - 2_000, deadline + 3_000]] };
  });
  holds(together, (world) => {
    const { ending } = live(world);
    assert.notEqual(ending.kind, "cancelled");
    return ending.kind === "timed_out";
  });
});

describe("where nobody decides,", () => {
  const forgotten = worlds.map((world): World => {
    const approvals = world.approvals.map((approval) => ({ ...approval, fate: undefined }));
    const tips = world.tips.filter(({ tells }) => tells === undefined);
    return { ...world, approvals: approvals as unknown as World["approvals"], tips };
  });

  test("and the platform can be reached in the end, all of ours is withdrawn", () => {
    const reached = forgotten.map((world): World => {
      const shown = { ...world, hidden: [], stopped: [], decides: "yes" as const };
      return troubleUntil({ ...shown, callMs: Math.min(world.callMs, 700) }, firstEnd(world) + 6_000);
    });
    holds(reached, (world) => {
      const life = live(world);
      const outcome = shown(life.ending);
      assert.ok("withdrawn" in outcome && outcome.withdrawn);
      assert.equal(ownFate(life)?.by, `countersign:${outcome.status}`);
      for (const { fate } of life.left) assert.match(fate?.by ?? "nobody", /^countersign:/);
    });
  });

  test("no hint grants anything", () => {
    holds(forgotten, (world) => {
      const { kind } = live(world).ending;
      assert.ok(kind === "timed_out" || kind === "cancelled" || kind === "withdrawn", kind);
    });
  });
});

test("where the platform cannot be read from before the deadline until the budget is over, the end is timed_out and nothing is withdrawn", () => {
  const dark = fc.tuple(worlds, fc.integer({ min: 0, max: 40 })).map(([world, quarters]): World => {
    const from = deadlineOf(world) - quarters * 250;
    const approvals = world.approvals.map((approval) => {
      const { fate } = approval;
      return fate === undefined ? approval : { ...approval, fate: { ...fate, at: Math.max(fate.at, from) } };
    });
    return {
      ...world,
      approvals: approvals as unknown as World["approvals"],
      tips: world.tips.map((tip) => ({ ...tip, at: Math.max(tip.at, from) })),
      unreadable: [[from, Infinity]],
      cancelled: undefined,
    };
  });
  holds(dark, (world) => assert.deepEqual(live(world).ending, { kind: "timed_out", withdrawn: false }));
});
