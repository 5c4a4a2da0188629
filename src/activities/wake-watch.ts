/** Keeps the watch of a workspace up. Signal-with-start: it is made where it is missing, and told the settings where it runs. */
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "@temporalio/client";
import { messageOf } from "../domain/errors.ts";
import { WAKE_SIGNAL, WATCH_DECISIONS, watchWorkflowId } from "../domain/names.ts";
import type { Wake, WatchInput } from "../domain/watch-signals.ts";
import type { Log } from "../log.ts";

export interface WakeDependencies {
  readonly client: Client;
  readonly taskQueue: string;
  readonly settings: Pick<Wake, "poll_interval_seconds" | "use_websocket" | "heartbeat_seconds">;
  readonly identity: string;
  readonly problems: () => readonly string[];
  /** How many approvals are waiting. */
  readonly count: () => Promise<number>;
  readonly log: Log;
}

export interface WatchWaker {
  /** Wakes the watch if this process has not done so for a minute. Returns at once and never fails. */
  wake(workspaceId: string): void;
  /** Wakes it now; for a change of health, a start, and the worker's own rounds. */
  wakeNow(workspaceId: string): Promise<void>;
  /** Wakes it now where approvals are waiting, and always at a worker's start. */
  round(workspaceId: string, atStart: boolean): Promise<void>;
}

const GAP_MS = 60_000;
const CALL_MS = 10_000;
const ATTEMPTS = 3;
const RETRY_MS = 500;

export function createWatchWaker({
  client,
  taskQueue,
  settings,
  identity,
  problems,
  count,
  log,
}: WakeDependencies): WatchWaker {
  const last = new Map<string, number>();
  const wakeNow = async (workspaceId: string): Promise<void> => {
    last.set(workspaceId, Date.now());
    const wake: Wake = { ...settings, worker: { identity, problems: [...problems()] } };
    const input: WatchInput = { workspace_id: workspaceId };
    let problem: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await delay(RETRY_MS, undefined, { ref: false });
      try {
        await client.withDeadline(Date.now() + CALL_MS, () =>
          client.workflow.signalWithStart(WATCH_DECISIONS, {
            workflowId: watchWorkflowId(workspaceId),
            taskQueue,
            args: [input],
            signal: WAKE_SIGNAL,
            signalArgs: [wake],
            staticSummary: `Watches workspace ${workspaceId} for decisions`,
          }),
        );
        return;
      } catch (error) {
        problem = error;
      }
    }
    // A request does not depend on it: its own deadline reads the platform too.
    last.delete(workspaceId);
    log.warn(
      { workspace_id: workspaceId, error: messageOf(problem) },
      "could not wake the watch; the next request tries again",
    );
  };
  return {
    wake(workspaceId) {
      if (Date.now() - (last.get(workspaceId) ?? -Infinity) >= GAP_MS) void wakeNow(workspaceId);
    },
    wakeNow,
    async round(workspaceId, atStart) {
      if (atStart || (await count().catch(() => 1)) > 0) await wakeNow(workspaceId);
    },
  };
}
