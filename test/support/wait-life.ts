/** One wait of src/domain/wait.ts from its beginning to its end, in a world that is played. Nothing here takes real time. */
import { emptyHintBox, hear } from "../../src/domain/hints.ts";
import type { ListItem } from "../../src/domain/listing.ts";
import type { Hint, Reading, Withdrawal } from "../../src/domain/ports.ts";
import type { Happened, Move, WaitEnding } from "../../src/domain/wait-moves.ts";
import { newWait, next, retryPause, TWINS_MS } from "../../src/domain/wait.ts";
import { awake, deadlineOf, during, PROOF, type Approval, type Fate, type World } from "./wait-world.ts";

/** An approval as one reading showed it. */
export interface Row {
  readonly id: string;
  readonly created: number;
  /** `undefined` while pending. */
  readonly fate: Fate | undefined;
}

export interface Sight {
  readonly rows: readonly Row[];
  readonly capped: boolean;
  /** What the authenticated socket had said, where the list hid the first approval. */
  readonly proven: readonly Hint[];
}

interface Done {
  readonly start: number;
  readonly end: number;
  /** After the deadline or the cancellation was noticed. */
  readonly closing: boolean;
}

export type Entry = Done &
  (
    | { readonly kind: "read"; readonly hinted: boolean; readonly sight: Sight | undefined }
    | { readonly kind: "withdraw"; readonly answer: Withdrawal | undefined }
    | { readonly kind: "note"; readonly what: string; readonly about: string }
    | { readonly kind: "twins" }
  );

export interface Life {
  readonly ending: WaitEnding;
  readonly end: number;
  readonly log: readonly Entry[];
  /** When the workflow learned that the deadline had passed. */
  readonly passed: number | undefined;
  /** What stands on the platform at the end. */
  readonly left: readonly Row[];
  readonly carried: boolean;
}

const EPOCH = Date.parse("2026-01-01T00:00:00Z");

/** Lives one wait to its end. Throws where it does not end. */
export function live(world: World): Life {
  const [own] = world.approvals;
  const deadline = deadlineOf(world);
  const withdrawn = new Map<string, Fate>();
  const box = emptyHintBox();
  const noted = new Set<string>();
  const log: Entry[] = [];
  const tips = [...world.tips].sort((a, b) => a.at - b.at);
  const begun = awake(world, 0);
  let now = begun;
  let passed: number | undefined;
  let closing = false;
  let carried = false;

  const fateAt = ({ id, fate }: Approval, moment: number) =>
    withdrawn.get(id) ?? (fate !== undefined && fate.at <= moment ? fate : undefined);
  const rowsAt = (moment: number): Row[] =>
    world.approvals
      .filter(({ created }) => created <= moment)
      .map((one) => ({ id: one.id, created: one.created, fate: fateAt(one, moment) }));
  const cancelled = () => world.cancelled !== undefined && awake(world, world.cancelled) <= now;
  const outgrown = () => !carried && world.outgrown !== undefined && world.outgrown <= now;
  const over = () => passed !== undefined || cancelled();

  const goTo = (moment: number) => {
    now = awake(world, Math.max(now, moment));
    for (let tip = tips[0]; tip !== undefined && awake(world, tip.at) <= now; tip = tips[0]) {
      tips.shift();
      if (tip.tells === undefined || !withdrawn.has(tip.tells)) hear(box, tip.payload);
    }
    if (awake(world, deadline) <= now) passed ??= Math.max(begun, awake(world, deadline));
  };
  /** Goes to the first moment at which the condition holds, or to the last one. */
  const goUntil = (holds: () => boolean, last: number) => {
    while (!holds() && now < last) {
      const moments = [tips[0]?.at, deadline, world.cancelled, world.outgrown, last];
      const ahead = moments.filter((one) => one !== undefined).map((one) => awake(world, one));
      goTo(Math.min(...ahead.filter((one) => one > now)));
    }
  };

  /** One call of at most `limit`: what it came to at its end. A worker that dies with it leaves it to the next one. */
  const call = <T>(limit: number, answer: () => T | undefined): T | undefined => {
    const start = now;
    goTo(start + Math.min(world.callMs, limit));
    if (now > start + Math.min(world.callMs, limit)) return call(limit, answer);
    return world.callMs > limit || during(world.unreadable, now) ? undefined : answer();
  };
  const limitFor = (budgetEnd: number) => Math.min(12_000, Math.max(1_000, budgetEnd - now));
  const insist = <T>(budgetEnd: number, attempt: (limit: number) => T | undefined): T | undefined => {
    for (let failures = 1; ; failures++) {
      const answer = attempt(limitFor(budgetEnd));
      if (answer !== undefined) return answer;
      const pause = retryPause(failures, budgetEnd - now);
      if (pause === undefined) return undefined;
      goTo(now + pause);
    }
  };

  const look = (): Row[] => {
    const isHidden = during(world.hidden, now);
    return rowsAt(now).filter((row) => !isHidden || row.id !== own.id);
  };
  const read = (limit: number): Reading | undefined => {
    const start = now;
    const hinted = box.fresh;
    const { kept } = box;
    box.fresh = false;
    const seen = call(limit, () => {
      const rows = look();
      const hides = world.capped && !rows.some(({ id }) => id === own.id);
      const vouched = hides ? kept.filter((hint) => hint.proof === PROOF) : [];
      const sight = { rows, capped: world.capped, proven: vouched };
      return { sight, reading: { items: rows.map((row) => itemOf(row, world)), capped: world.capped, vouched } };
    });
    log.push({ kind: "read", start, end: now, closing, hinted, sight: seen?.sight });
    return seen?.reading;
  };
  const withdraw = (limit: number, by: string, keep?: string): Withdrawal | undefined =>
    call(limit, () => {
      const rows = look();
      const ids = rows.filter(({ fate }) => fate === undefined).map(({ id }) => id);
      if (!rows.some(({ id }) => id === own.id)) ids.push(own.id);
      let not_pending = rows.some(({ id, fate }) => fate !== undefined && id !== keep);
      let all = true;
      for (const id of ids.filter((one) => one !== keep)) {
        if (during(world.unwritable, now)) return undefined;
        const pending = rowsAt(now).some((row) => row.id === id && row.fate === undefined);
        const done = pending && world.decides === "yes";
        if (done) withdrawn.set(id, { at: now, status: "denied", by });
        else all = false;
        if (world.decides === "has no route" || (!pending && world.decides === "yes")) not_pending = true;
        if (during(world.mute, now)) return undefined;
      }
      return { withdrawn: all, not_pending };
    });
  const record = (what: string, about: string) => {
    if (noted.has(`${what} ${about}`)) return;
    noted.add(`${what} ${about}`);
    const start = now;
    goTo(now + world.recordMs);
    log.push({ kind: "note", what, about, start, end: now, closing });
  };

  const perform = (move: Exclude<Move, { kind: "end" | "carry_on" }>): Happened => {
    const start = now;
    switch (move.kind) {
      case "listen": {
        const news = () => box.fresh || over() || (move.pause_ms === undefined && outgrown());
        goUntil(news, move.pause_ms === undefined ? Infinity : awake(world, now + move.pause_ms));
        return { kind: "listened" };
      }
      case "rest":
        goUntil(over, awake(world, now + move.ms));
        return { kind: "rested" };
      case "read": {
        closing = move.budget_end_ms !== undefined;
        const reading = move.budget_end_ms === undefined ? read(12_000) : insist(move.budget_end_ms, read);
        return reading === undefined ? { kind: "unreadable" } : { kind: "read", reading };
      }
      case "note":
        record(move.note.kind, move.note.approval_id);
        return { kind: "noted" };
      case "withdraw_twins":
        for (const id of move.twins) record("create.duplicate", id);
        insist(now + TWINS_MS, (limit) => withdraw(limit, "countersign:duplicate", move.kept));
        log.push({ kind: "twins", start, end: now, closing });
        return { kind: "twins_withdrawn" };
      case "withdraw": {
        const withdrawal = insist(move.budget_end_ms, (limit) => withdraw(limit, move.decided_by));
        log.push({ kind: "withdraw", start, end: now, closing, answer: withdrawal });
        return { kind: "withdrew", withdrawal };
      }
    }
  };

  const terms = { approval_id: own.id, timeout_ms: world.timeout, poll_interval_ms: world.poll, deadline_ms: deadline };
  const facts = () => ({
    now_ms: now,
    passed_at_ms: passed,
    cancelled: cancelled(),
    hints: box,
    outgrown: outgrown(),
  });
  goTo(now);
  let step = next(newWait(terms), { kind: "began" }, facts());
  for (let moves = 0; moves < 5_000; moves++) {
    if (step.move.kind === "end") {
      return { ending: step.move.ending, end: now, log, passed, left: rowsAt(now), carried };
    }
    if (step.move.kind === "carry_on") {
      carried = true;
      box.fresh = step.move.due;
      step = next(newWait(terms), { kind: "began" }, facts());
    } else {
      const happened = perform(step.move);
      step = next(step.wait, happened, facts());
    }
  }
  throw new Error("the wait does not end");
}

function itemOf({ id, created, fate }: Row, { timed, skew }: World): ListItem {
  const time = (moment: number) => new Date(EPOCH + skew + moment).toISOString();
  return {
    approval_id: id,
    status: fate?.status ?? "pending",
    decided_by: fate?.by ?? "",
    ...(timed ? { created_at: time(created) } : {}),
    ...(timed && fate !== undefined ? { decided_at: time(fate.at) } : {}),
  };
}
