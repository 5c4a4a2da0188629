/**
 * The wait of one approval as a pure machine: what happened goes in, what to do next comes out. The workflow performs the moves
 * (src/workflows/await-ending.ts), test/wait.test.ts plays them in virtual time. Which situation ends how stands in docs/faults.md.
 */
import { lastMoment, type Window } from "./deadline.ts";
import { judge, type Verdict } from "./decision.ts";
import type { Reading } from "./ports.ts";
import type { Facts, Final, Happened, Move, Note, Terms } from "./wait-moves.ts";

/** For the last reading, the withdrawal, and the reading after it (docs/faults.md, "Waiting": "tried for 25 s more"). */
export const CLOSING_MS = 25_000;
/** For the withdrawal of further approvals, on which no end depends: what it does not reach the watch withdraws. */
export const TWINS_MS = 3_000;
/** Between the beginnings of two readings (docs/faults.md, "Waiting": "at most one reading per second"). */
const READ_GAP_MS = 1_000;
/** Before a reading that no hint asks for (docs/faults.md, "Waiting": "after 1 s doubling to 30 s"). */
const LONGEST_PAUSE_MS = 30_000;
const LONGEST_RETRY_MS = 8_000;

/** Where the wait stands between two moves. */
export interface Wait {
  readonly terms: Terms;
  /** When the last reading began, and whether a hint had asked for it. */
  readonly last_read_ms: number;
  readonly hinted: boolean;
  /** How long to listen before the next reading; `undefined` until there was one. */
  readonly pause_ms: number | undefined;
  /** What the last reading settled, until its side records are written. */
  readonly settled: Final | undefined;
  readonly closing: Closing | undefined;
}

/** The time is over, or the caller has given up. */
interface Closing {
  readonly kind: "timed_out" | "cancelled";
  readonly budget_end_ms: number;
  /** The platform said that there is nothing to withdraw: one more reading tells why. */
  readonly last: boolean;
}

export interface Step {
  readonly wait: Wait;
  readonly move: Move;
}

/** A wait that has not begun; `next` with "began" makes its first move. */
export function newWait(terms: Terms): Wait {
  return {
    terms,
    last_read_ms: -Infinity,
    hinted: false,
    pause_ms: undefined,
    settled: undefined,
    closing: undefined,
  };
}

/** The next move, after what the last one came to. */
export function next(wait: Wait, happened: Happened, facts: Facts): Step {
  switch (happened.kind) {
    case "began":
      return listen(wait, facts);
    case "listened": {
      const gapMs = wait.last_read_ms + READ_GAP_MS - facts.now_ms;
      return gapMs > 0 ? { wait, move: { kind: "rest", ms: gapMs } } : read(wait, facts);
    }
    case "rested":
      return read(wait, facts);
    case "unreadable":
      return wait.closing === undefined ? listenLonger(wait, facts) : giveUp(wait, wait.closing, false);
    case "read":
      return weigh(wait, happened.reading, facts);
    case "twins_withdrawn":
      return explain(wait, facts);
    case "noted":
      return settle(wait, facts);
    case "withdrew": {
      const { withdrawal } = happened;
      const closing = wait.closing as Closing;
      return withdrawal?.not_pending === true
        ? readLast({ ...wait, closing: { ...closing, last: true } }, closing)
        : giveUp(wait, closing, withdrawal?.withdrawn ?? false);
    }
  }
}

/** How long to pause after so many failures in a row: 1 s doubling to 8 s, but not beyond the rest of the budget; `undefined` where it is over. */
export function retryPause(failures: number, restMs: number): number | undefined {
  return restMs <= 0 ? undefined : Math.min(1_000 * 2 ** (failures - 1), LONGEST_RETRY_MS, restMs);
}

function listen(wait: Wait, facts: Facts): Step {
  return isOver(facts) ? close(wait, facts) : { wait, move: { kind: "listen", pause_ms: wait.pause_ms } };
}

/** After a reading that settled nothing. A hint makes the pauses short again. */
function listenLonger(wait: Wait, facts: Facts): Step {
  const { pause_ms, hinted } = wait;
  const longer = pause_ms === undefined || hinted ? READ_GAP_MS : Math.min(pause_ms * 2, LONGEST_PAUSE_MS);
  return listen({ ...wait, pause_ms: longer }, facts);
}

function read(wait: Wait, facts: Facts): Step {
  if (isOver(facts)) return close(wait, facts);
  if (facts.outgrown) {
    // The new history knows of no pause, so it must not wait for a hint that came already.
    return { wait, move: { kind: "carry_on", due: facts.hints.fresh || wait.pause_ms !== undefined } };
  }
  const reading = { ...wait, last_read_ms: facts.now_ms, hinted: facts.hints.fresh };
  return { wait: reading, move: { kind: "read", budget_end_ms: undefined } };
}

function isOver(facts: Facts): boolean {
  return facts.passed_at_ms !== undefined || facts.cancelled;
}

/** The deadline counts before a cancellation, and its 25 s from the moment at which the timer fired. */
function close(wait: Wait, facts: Facts): Step {
  const kind = facts.passed_at_ms === undefined ? "cancelled" : "timed_out";
  const closing: Closing = { kind, budget_end_ms: (facts.passed_at_ms ?? facts.now_ms) + CLOSING_MS, last: false };
  return readLast({ ...wait, closing }, closing);
}

function readLast(wait: Wait, { budget_end_ms }: Closing): Step {
  return { wait, move: { kind: "read", budget_end_ms } };
}

/** A reading is judged at the moment at which it is there. */
function weigh(wait: Wait, reading: Reading, facts: Facts): Step {
  const { approval_id } = wait.terms;
  const window: Window = { ...wait.terms, read_at_ms: facts.now_ms };
  const { verdict, surplus } = judge(reading, approval_id, window);
  const settled = finalOf(verdict, reading, window);
  const weighed = { ...wait, settled };
  if (surplus.length === 0) return explain(weighed, facts);
  const kept = settled === undefined ? approval_id : decisiveId(settled);
  return { wait: weighed, move: { kind: "withdraw_twins", twins: surplus, kept } };
}

/** The approval that settled it, which may be a twin: then ours is the one too many. */
function decisiveId(settled: Final): string {
  return settled.kind === "decided" ? settled.decision.approval_id : settled.approval_id;
}

function finalOf(verdict: Verdict, { items }: Reading, window: Window): Final | undefined {
  if (verdict.kind === "pending" || verdict.kind === "absent") return undefined;
  if (verdict.kind !== "decided") return verdict;
  const item = items.find((one) => one.approval_id === verdict.decision.approval_id);
  const deadline = item === undefined ? undefined : lastMoment(item, window);
  return deadline === undefined ? verdict : { ...verdict, deadline };
}

/** Has a hint recorded that the reading did not bear out. */
function explain(wait: Wait, facts: Facts): Step {
  const note = wait.settled === undefined ? unconfirmed(wait, facts) : conflict(wait.settled, facts);
  return note === undefined ? settle(wait, facts) : { wait, move: { kind: "note", note } };
}

/** Nothing at the end: what is open then is withdrawn, or read once more. */
function unconfirmed({ terms, hinted, closing }: Wait, { hints }: Facts): Note | undefined {
  const hint = hints.kept.at(-1);
  if (closing !== undefined || !hinted || hint === undefined) return undefined;
  const seen = { hinted: hint.status, source: hint.source };
  return { kind: "hint.unconfirmed", approval_id: terms.approval_id, seen };
}

function conflict(settled: Final, { hints }: Facts): Note | undefined {
  if (settled.kind !== "decided") return undefined;
  const { approval_id, status, decided_by } = settled.decision;
  const contrary = hints.kept.find((hint) => hint.approval_id === approval_id && hint.status !== status);
  if (contrary === undefined) return undefined;
  return { kind: "decision.conflict", approval_id, seen: { hinted: contrary.status, read: status, decided_by } };
}

/** Ends, goes on waiting, or withdraws what is still open, so that no one decides into the void. */
function settle(wait: Wait, facts: Facts): Step {
  const { settled, closing } = wait;
  if (settled !== undefined) return { wait, move: { kind: "end", ending: settled } };
  if (closing === undefined) return listenLonger(wait, facts);
  if (closing.last) return giveUp(wait, closing, false);
  const { kind, budget_end_ms } = closing;
  return { wait, move: { kind: "withdraw", decided_by: `countersign:${kind}`, budget_end_ms } };
}

function giveUp(wait: Wait, { kind }: Closing, withdrawn: boolean): Step {
  return { wait, move: { kind: "end", ending: { kind, withdrawn } } };
}
