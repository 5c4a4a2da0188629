/** Signals and queries of both workflows. Their names are wire names; see src/domain/names.ts. */
import { defineQuery, defineSignal } from "@temporalio/workflow";
import { CONNECTED_SIGNAL, DECIDED_SIGNAL, LATE_SIGNAL, STATE_QUERY, WAKE_SIGNAL } from "../domain/names.ts";
import type { ApprovalState, WatchState } from "../domain/state.ts";

/**
 * A handler is called once with the payloads of all signals that came together (signal-batches.ts). They are `unknown`: anybody who
 * reaches the Temporal server can send one.
 */
export const decidedSignal = defineSignal<unknown[]>(DECIDED_SIGNAL);
export const wakeSignal = defineSignal<unknown[]>(WAKE_SIGNAL);
export const connectedSignal = defineSignal<unknown[]>(CONNECTED_SIGNAL);
export const lateSignal = defineSignal<unknown[]>(LATE_SIGNAL);

export const approvalStateQuery = defineQuery<ApprovalState>(STATE_QUERY);
export const watchStateQuery = defineQuery<WatchState>(STATE_QUERY);
