/**
 * Holds the platform's socket of one workspace and turns what it tells into signals, until it is lost.
 * The watch schedules the next one: killing a bridge needs no recovery code of its own.
 */
import { Context } from "@temporalio/activity";
import type { Client } from "@temporalio/client";
import { ApplicationFailure } from "@temporalio/common";
import { proofOf } from "../activities/confirm-decision.ts";
import { pause } from "../activities/pause.ts";
import type { Delivery, Told } from "../delivery/deliver.ts";
import type { Directory } from "../delivery/directory.ts";
import { messageOf } from "../domain/errors.ts";
import { CONNECTED_SIGNAL, watchWorkflowId } from "../domain/names.ts";
import type { Platform } from "../domain/platform-port.ts";
import type { BridgeActivities, StreamInput } from "../domain/ports.ts";
import type { Connected } from "../domain/watch-signals.ts";
import type { Log } from "../log.ts";
import { backoffMs, handshakeBackoffMs, isStandingRefusal } from "../platform/backoff.ts";
import { decodeEvent } from "../platform/events.ts";
import { SocketError, type CloseReason } from "../platform/close-reason.ts";
import { openSocket, type Socket, type SocketOptions } from "../platform/socket.ts";
import { createQueue } from "./queue.ts";

export interface StreamDependencies {
  readonly client: Client;
  readonly platform: Platform;
  readonly directory: Directory;
  readonly delivery: Delivery;
  readonly socket: Pick<SocketOptions, "url" | "token" | "origin" | "orgId" | "pingIntervalMs">;
  readonly hintKey: string | undefined;
  readonly heartbeatMs: number;
  /** Called with the socket's problem, or with nothing when it is well. */
  readonly onHealth: (problem: string | undefined) => void;
  readonly problems: () => readonly string[];
  readonly log: Log;
  /** Fires when the bridge stops: its streams end at once, so that another bridge can take them. */
  readonly stopping: AbortSignal;
}

/** The platform loses events, so a connected stream lists too. Jittered, so that bridges do not list together. */
const RECONCILE_MS = 60_000;
/** Between two lists that events ask for: hostile frames must not make a loop of lists. */
const LIST_GAP_MS = 5_000;
const LIST_RETRY_MS = 2_000;
const LONGEST_LIST_RETRY_MS = 30_000;

export function createStreamDecisions(deps: StreamDependencies): BridgeActivities["streamDecisions"] {
  return async (input) => {
    const context = Context.current();
    const signal = AbortSignal.any([context.cancellationSignal, deps.stopping]);
    if (signal.aborted) throw ApplicationFailure.nonRetryable("the bridge is stopping", "ERR_SHUTDOWN");
    let socket: Socket | undefined;
    const beat = setInterval(() => {
      // While it dials it is alive too; a socket that shows no life must not keep the stream.
      if (socket === undefined || socket.isAlive())
        context.heartbeat({ connected: socket !== undefined, problems: deps.problems() });
    }, deps.heartbeatMs / 4);
    try {
      if (input.short_runs > 0) await pause(backoffMs(input.short_runs - 1), signal);
      const stream = startStream(deps, input, signal);
      let lost: (reason: CloseReason) => void = () => {};
      const ended = new Promise<CloseReason>((resolve) => (lost = resolve));
      socket = await dial(deps, input.workspace_id, signal, stream.onFrame, lost);
      const since = Date.now();
      deps.onHealth(undefined);
      const closed = new AbortController();
      const following = stream.follow(socket, AbortSignal.any([signal, closed.signal]), () =>
        tellConnected(deps.client, input),
      );
      const reason = await ended;
      closed.abort();
      await following;
      if (reason.kind !== "stopped")
        deps.log.warn({ workspace_id: input.workspace_id, reason: reason.text }, "lost the socket");
      return { uptime_ms: Date.now() - since, reason: reason.text };
    } finally {
      clearInterval(beat);
      socket?.close();
    }
  };
}

/** Dials until a socket is open or the stream is stopped. */
async function dial(
  deps: StreamDependencies,
  workspaceId: string,
  signal: AbortSignal,
  onFrame: (text: string, socket: Socket | undefined) => void,
  onClose: (reason: CloseReason) => void,
): Promise<Socket> {
  for (let failures = 0; ; failures++) {
    let socket: Socket | undefined;
    try {
      socket = await openSocket({
        ...deps.socket,
        workspaceId,
        signal,
        onFrame: (text) => onFrame(text, socket),
        onClose,
      });
      return socket;
    } catch (error) {
      if (signal.aborted)
        throw ApplicationFailure.nonRetryable("the stream was stopped while dialling", "ERR_SHUTDOWN");
      deps.onHealth(messageOf(error));
      const refused =
        error instanceof SocketError && error.reason.kind === "refused" && isStandingRefusal(error.reason.status);
      await pause(refused ? handshakeBackoffMs(failures) : backoffMs(failures), signal);
    }
  }
}

function startStream(deps: StreamDependencies, { workspace_id }: StreamInput, signal: AbortSignal) {
  const { directory, delivery, platform, hintKey, log } = deps;
  let relist = () => {};
  let rejected = 0;

  const events = createQueue<{ told: Told; authenticated: boolean }>(async ({ told, authenticated }) => {
    const prove = (taskId: string) => proofOf(hintKey as string, taskId, told);
    await delivery.event(workspace_id, told, hintKey !== undefined && authenticated ? prove : undefined);
  });

  const onFrame = (text: string, socket: Socket | undefined): void => {
    const event = decodeEvent(text, workspace_id);
    switch (event.kind) {
      case "requested":
        directory.learn(workspace_id, event.approval_id, event.task_id);
        return;
      case "decided": {
        const { kind: _, ...told } = event;
        // What does not fit is not lost: the list tells it again.
        if (!events.add({ told, authenticated: socket?.authenticated === true })) relist();
        return;
      }
      case "rejected":
        rejected++;
        // What it said may have been a decision: the list tells it readably.
        relist();
        // One line per stream and power of ten: a hostile platform must not fill the disk.
        if (Number.isInteger(Math.log10(rejected)))
          log.warn({ workspace_id, reason: event.reason, rejected }, "rejected a frame");
        return;
      case "ignored":
        return;
    }
  };

  /** Lists at once and then every minute, until the socket is lost. */
  const follow = async (socket: Socket, alive: AbortSignal, onCaughtUp: () => Promise<void>): Promise<void> => {
    let caughtUp = false;
    let failures = 0;
    while (!alive.aborted) {
      let waitMs: number;
      const woken = new AbortController();
      relist = () => woken.abort();
      const listedMs = Date.now();
      try {
        await delivery.reconcile(workspace_id, await platform.list(workspace_id, [], alive), "socket");
        failures = 0;
        waitMs = RECONCILE_MS * (0.75 + Math.random() / 2);
        if (!caughtUp && socket.isAlive()) {
          await onCaughtUp();
          caughtUp = true;
        }
      } catch (error) {
        if (alive.aborted) return;
        waitMs = Math.min(LONGEST_LIST_RETRY_MS, LIST_RETRY_MS * 2 ** failures++);
        log.warn({ workspace_id, error: messageOf(error) }, "could not catch up with the platform; the sweep goes on");
      }
      await pause(waitMs, AbortSignal.any([alive, woken.signal]));
      if (woken.signal.aborted) await pause(listedMs + LIST_GAP_MS - Date.now(), alive);
    }
  };
  signal.addEventListener("abort", () => events.clear(), { once: true });
  return { onFrame, follow };
}

async function tellConnected(client: Client, { workspace_id }: StreamInput): Promise<void> {
  const { workflowExecution, activityId } = Context.current().info;
  const connected: Connected = { run_id: workflowExecution?.runId ?? "", activity_id: activityId };
  await client.workflow.getHandle(watchWorkflowId(workspace_id)).signal(CONNECTED_SIGNAL, connected);
}
