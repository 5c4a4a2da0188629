/**
 * What the wait of one approval is told, and what it asks for in return. src/domain/wait.ts decides, src/workflows/await-ending.ts
 * performs.
 */
import type { Seen } from "./audit-record.ts";
import type { Window } from "./deadline.ts";
import type { Verdict } from "./decision.ts";
import type { HintBox } from "./hints.ts";
import type { Withdrawer } from "./names.ts";
import type { Reading, Withdrawal } from "./ports.ts";

/** What a reading of the platform settles. */
export type Final = Exclude<Verdict, { kind: "pending" | "absent" }> & {
  /** Of a decision: the last moment at which it would have counted, where the platform's own times judged it. */
  readonly deadline?: string;
};

/** How the wait of an approval ends. `withdrawn` is false where the approval may still be open. */
export type WaitEnding =
  | Final
  | { readonly kind: "timed_out"; readonly withdrawn: boolean }
  | { readonly kind: "cancelled"; readonly withdrawn: boolean };

/** What does not change while one approval waits. */
export interface Terms extends Omit<Window, "read_at_ms"> {
  readonly approval_id: string;
}

/** What can be known at the moment of a move. Times are workflow time, milliseconds since the epoch. */
export interface Facts {
  readonly now_ms: number;
  /** When the timer of the deadline fired, where it has. */
  readonly passed_at_ms: number | undefined;
  readonly cancelled: boolean;
  readonly hints: Pick<HintBox, "fresh" | "kept">;
  /** The history is so long that the wait should go on in a new one. */
  readonly outgrown: boolean;
}

/** A side record to be written, once per kind and approval. */
export type Note = {
  [K in "hint.unconfirmed" | "decision.conflict"]: {
    readonly kind: K;
    readonly approval_id: string;
    readonly seen: Seen[K];
  };
}["hint.unconfirmed" | "decision.conflict"];

/** What to do next. With `budget_end_ms` an attempt is repeated until it succeeds or that moment has come. */
export type Move =
  /** Until a fresh hint, the deadline, a cancellation or `pause_ms`; without a pause also until the history is outgrown. */
  | { readonly kind: "listen"; readonly pause_ms: number | undefined }
  /** So long, or until the deadline or a cancellation. No hint shortens it. */
  | { readonly kind: "rest"; readonly ms: number }
  /** In a new history, from the beginning of the wait, with hints, deadline and notes as they are. A reading that is due comes first there. */
  | { readonly kind: "carry_on"; readonly due: boolean }
  /** Read the platform: once while waiting, within the budget when closing. Hints are fresh no more. */
  | { readonly kind: "read"; readonly budget_end_ms: number | undefined }
  /** Record further approvals of this request, and withdraw all of ours but `kept`. */
  | { readonly kind: "withdraw_twins"; readonly twins: readonly string[]; readonly kept: string }
  | { readonly kind: "note"; readonly note: Note }
  | { readonly kind: "withdraw"; readonly decided_by: Withdrawer; readonly budget_end_ms: number }
  | { readonly kind: "end"; readonly ending: WaitEnding };

/** What a move came to. */
export type Happened =
  | { readonly kind: "began" | "listened" | "rested" | "twins_withdrawn" | "noted" }
  | { readonly kind: "read"; readonly reading: Reading }
  | { readonly kind: "unreadable" }
  /** Without a withdrawal where no attempt succeeded. */
  | { readonly kind: "withdrew"; readonly withdrawal: Withdrawal | undefined };
