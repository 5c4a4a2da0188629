/** What the query `state` answers, for people and for the CLI. */
import type { Status } from "./outcome.ts";

export interface ApprovalState {
  readonly step: "checking" | "creating" | "waiting" | "confirming" | "withdrawing" | "recording" | "closed";
  readonly status?: Status;
  readonly approval_id?: string;
  readonly trace_id: string;
  /** RFC 3339. */
  readonly deadline?: string;
  readonly hints: { readonly heard: number; readonly ignored: number };
  /** Readings of the platform so far. */
  readonly readings: number;
}

export interface WatchState {
  readonly mode: "stream" | "sweep" | "idle";
  readonly stream?: { readonly activity_id: string; readonly connected: boolean };
  /** Streams in a row that were lost early. */
  readonly short_runs: number;
  /** Health of the workers that woke the watch, by identity; an empty list is healthy. */
  readonly workers: { readonly [identity: string]: readonly string[] };
}
