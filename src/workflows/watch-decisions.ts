/**
 * One watch per workspace. Temporal supervises the bridge through it: while no stream is connected the sweep runs,
 * and when nothing is waiting any more the watch ends.
 */
import {
  CancellationScope,
  condition,
  makeContinueAsNewFunc,
  setDefaultSignalHandler,
  setHandler,
  sleep,
  workflowInfo,
} from "@temporalio/workflow";
import { noteRecord } from "../domain/audit-record.ts";
import { bridgeTaskQueue } from "../domain/names.ts";
import type { WatchState } from "../domain/state.ts";
import {
  isWatchInput,
  parseConnected,
  parseLate,
  parseWake,
  type Connected,
  type Late,
  type Wake,
  type WatchInput,
} from "../domain/watch-signals.ts";
import { connectedSignal, lateSignal, wakeSignal, watchStateQuery } from "./messages.ts";
import { requireReadable } from "./unreadable.ts";
import { countWaiting, recordOutcome, streamStep, sweepStep } from "./steps.ts";

/** What continue-as-new hands over. */
export interface WatchCarried {
  readonly wake: Wake;
  readonly woken_ms: number;
  readonly streams: number;
  readonly short_runs: number;
  readonly late: readonly Late[];
  readonly workers: WatchState["workers"];
}

const IDLE_MS = 10 * 60_000;
/** A stream may take this long to connect before the sweep helps out. */
const STREAM_HEAD_START_MS = 1_500;
/** A stream that held this long was a good one. */
const LONG_RUN_MS = 10_000;
const LATE_KEPT = 1_000;
const WORKERS_KEPT = 20;
/** Beyond this a connected stream is given up for a fresh history. */
const LONG_HISTORY = 10_000;

const FIRST_WAKE: Wake = { poll_interval_seconds: 5, use_websocket: true, heartbeat_seconds: 10 };

/** Watches one workspace until nobody waits there; woken again by signal-with-start. */
export async function watchDecisions(input: WatchInput, carried?: WatchCarried): Promise<void> {
  requireReadable(input, carried);
  const info = workflowInfo();
  let wake = carried?.wake ?? FIRST_WAKE;
  let wokenMs = carried?.woken_ms ?? Date.now();
  let streams = carried?.streams ?? 0;
  let shortRuns = carried?.short_runs ?? 0;
  const late: Late[] = [...(carried?.late ?? [])];
  let workers: Record<string, readonly string[]> = { ...carried?.workers };
  let connectedMs: number | undefined;
  let ending = false;
  const activityId = () => `stream-${streams}`;

  setHandler(wakeSignal, (...payloads) => {
    for (const heard of payloads.map(parseWake)) {
      if (heard === undefined) continue;
      wake = heard;
      wokenMs = Date.now();
      if (heard.worker !== undefined) {
        const { identity, problems } = heard.worker;
        workers = Object.fromEntries(
          [...Object.entries(workers).filter(([one]) => one !== identity), [identity, problems] as const].slice(
            -WORKERS_KEPT,
          ),
        );
      }
    }
  });
  setHandler(connectedSignal, (...payloads) => {
    const isOurs = (heard: Connected | undefined) => heard?.run_id === info.runId && heard.activity_id === activityId();
    if (payloads.map(parseConnected).some(isOurs)) connectedMs ??= Date.now();
  });
  setHandler(lateSignal, (...payloads) => {
    for (const heard of payloads.map(parseLate)) if (heard !== undefined && late.length < LATE_KEPT) late.push(heard);
  });
  setDefaultSignalHandler(() => {});
  setHandler(watchStateQuery, () => ({
    mode: connectedMs === undefined ? (ending ? "idle" : "sweep") : "stream",
    ...(wake.use_websocket ? { stream: { activity_id: activityId(), connected: connectedMs !== undefined } } : {}),
    short_runs: shortRuns,
    workers,
  }));
  if (!isWatchInput(input)) return;
  const { workspace_id } = input;

  const keepStreaming = async () => {
    while (!ending) {
      await condition(() => wake.use_websocket || ending);
      if (ending) return;
      streams++;
      const scope = new CancellationScope();
      let over = false;
      const stream = scope
        .run(() =>
          streamStep(bridgeTaskQueue(info.taskQueue), wake.heartbeat_seconds, activityId()).streamDecisions({
            workspace_id,
            task_queue: info.taskQueue,
            short_runs: shortRuns,
          }),
        )
        .then(
          () => false,
          () => true,
        )
        .finally(() => {
          over = true;
        });
      await condition(() => over || !wake.use_websocket);
      scope.cancel();
      const failed = await stream;
      const long = connectedMs !== undefined && Date.now() - connectedMs >= LONG_RUN_MS;
      // A stream that never connected and failed at once must not be rescheduled in a tight loop.
      const hasty = failed && connectedMs === undefined;
      connectedMs = undefined;
      shortRuns = long ? 0 : shortRuns + 1;
      if (hasty && !ending) await sleep(Math.min(30_000, 1_000 * 2 ** Math.min(shortRuns, 5)));
    }
  };

  const keepSweeping = async () => {
    while (!ending) {
      await condition(() => connectedMs === undefined || ending);
      const wanted = () => connectedMs === undefined && !ending;
      if (wake.use_websocket) await condition(() => !wanted() || !wake.use_websocket, STREAM_HEAD_START_MS);
      if (!wanted()) continue;
      const interval = wake.poll_interval_seconds;
      const scope = new CancellationScope();
      let over = false;
      const sweep = scope
        .run(() =>
          sweepStep(interval).sweepDecisions({
            workspace_id,
            poll_interval_seconds: interval,
            task_queue: info.taskQueue,
          }),
        )
        .catch(() => undefined)
        .finally(() => {
          over = true;
        });
      await condition(() => over || !wanted() || wake.poll_interval_seconds !== interval);
      scope.cancel();
      await sweep;
    }
  };

  const work = new CancellationScope();
  const streaming = work.run(keepStreaming).catch(() => undefined);
  const sweeping = work.run(keepSweeping).catch(() => undefined);
  const outgrown = () =>
    workflowInfo().continueAsNewSuggested && (connectedMs === undefined || workflowInfo().historyLength > LONG_HISTORY);

  for (;;) {
    const idleMs = wokenMs + IDLE_MS - Date.now();
    if (idleMs > 0) await condition(() => late.length > 0 || outgrown(), idleMs);
    for (let next = late.shift(); next !== undefined; next = late.shift()) await recordLate(workspace_id, next);
    if (outgrown()) break;
    if (wokenMs + IDLE_MS <= Date.now()) {
      const waiting = await countWaiting({ workspace_id, task_queue: info.taskQueue }).catch(() => 1);
      if (waiting > 0) wokenMs = Date.now();
      else if (wokenMs + IDLE_MS <= Date.now() && late.length === 0) {
        ending = true;
        break;
      }
    }
  }
  const finished = ending;
  ending = true;
  work.cancel();
  await Promise.all([streaming, sweeping]);
  // A wake or a report that came during these last steps would be lost with this run.
  if (finished && wokenMs + IDLE_MS <= Date.now() && late.length === 0) return;
  await makeContinueAsNewFunc<typeof watchDecisions>()(input, {
    wake,
    woken_ms: wokenMs,
    streams,
    short_runs: shortRuns,
    late: [...late],
    workers,
  });
}

async function recordLate(workspaceId: string, { decision, action, ...ids }: Late): Promise<void> {
  const base = { workspace_id: workspaceId, action, time_ms: Date.now(), ...ids };
  const { approval_id, verified: _, comment: __, ...said } = decision;
  const record = noteRecord(base, "decision.late", approval_id, { ...said, cause: "after_deadline" });
  await recordOutcome({ record, required: false }).catch(() => undefined);
}
