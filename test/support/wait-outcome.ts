/**
 * What must come of a wait, by the tables of docs/faults.md: from what the platform showed and answered, and from when the time
 * was over. It shares no code with what it judges.
 */
import type { Life, Row, Sight } from "./wait-life.ts";
import { awake, deadlineOf, type World } from "./wait-world.ts";

export type Outcome =
  | { readonly status: "approved" | "denied"; readonly verified: boolean }
  | { readonly status: "expired" }
  | { readonly status: "timed_out" | "cancelled"; readonly withdrawn: boolean };

type Closed = Row & { readonly fate: NonNullable<Row["fate"]> };

/** The first reading that settles something names the outcome. Where none does: the deadline or the cancellation, whichever was noticed. */
export function outcomeOf(world: World, { log, passed }: Life): Outcome {
  for (const entry of log) {
    if (entry.kind !== "read" || entry.sight === undefined) continue;
    const outcome = settledBy(entry.sight, entry.end, world);
    if (outcome !== undefined) return outcome;
  }
  const answer = log.findLast((entry) => entry.kind === "withdraw")?.answer;
  const withdrawn = answer !== undefined && answer.withdrawn && !answer.not_pending;
  const noticed = idleAfter(world, log);
  return { status: noticed < (passed ?? Infinity) ? "cancelled" : "timed_out", withdrawn };
}

/** What one reading settles by itself; `undefined` where the wait goes on. */
export function settledBy({ rows, capped, proven }: Sight, readAt: number, world: World): Outcome | undefined {
  const graceEnd = deadlineOf(world) + world.poll;
  const isInTime = ({ created, fate }: Closed) =>
    world.timed ? fate.at - created <= world.timeout + world.poll : readAt <= graceEnd;
  const closed = rows.filter((row): row is Closed => row.fate !== undefined);
  const people = closed.filter(({ fate }) => isPerson(fate.by));
  const timely = people.filter(isInTime);
  if (timely.length > 0) {
    // Whoever was first; on a tie, and where there are no times, whoever said no.
    const first = world.timed ? Math.min(...timely.map(({ fate }) => fate.at)) : undefined;
    const firsts = timely.filter(({ fate }) => first === undefined || fate.at === first);
    return { status: firsts.some(({ fate }) => fate.status === "denied") ? "denied" : "approved", verified: true };
  }
  if (people.length > 0) return { status: "timed_out", withdrawn: false };

  const [{ id }] = world.approvals;
  const own = rows.find((row) => row.id === id);
  if (own === undefined) {
    const said = proven.filter((hint) => hint.approval_id === id && isPerson(hint.decided_by ?? ""));
    if (!capped || said.length === 0 || closed.length < rows.length) return undefined;
    if (readAt > graceEnd) return { status: "timed_out", withdrawn: false };
    return { status: said.some(({ status }) => status === "denied") ? "denied" : "approved", verified: false };
  }
  const { fate } = own;
  if (fate === undefined) return undefined;
  if (fate.by === "countersign:timed_out") return { status: "timed_out", withdrawn: true };
  if (/^countersign:/i.test(fate.by)) return { status: "cancelled", withdrawn: true };
  return isInTime({ ...own, fate }) ? { status: "expired" } : { status: "timed_out", withdrawn: false };
}

export function isPerson(by: string): boolean {
  return by !== "auto-expired" && !/^countersign:/i.test(by);
}

/** When a cancellation could be noticed: at once, or after what was going on then. */
export function idleAfter(world: World, log: Life["log"]): number {
  let idle = Math.max(awake(world, 0), awake(world, world.cancelled ?? Infinity));
  for (const { start, end, closing } of log) {
    if (!closing && start <= idle) idle = Math.max(idle, end);
  }
  return idle;
}
