/** The checks of `countersign doctor` that ask Temporal: the server, who polls, and what the watch knows of their health. */
import { isWorkflowNotFound, temporalError } from "../client/temporal-faults.ts";
import type { Temporal } from "../client/temporal-pool.ts";
import type { WorkspaceConfig } from "../config.ts";
import { messageOf } from "../domain/errors.ts";
import { STATE_QUERY, watchWorkflowId } from "../domain/names.ts";
import type { WatchState } from "../domain/state.ts";
import { failed, notChecked, ok, warning } from "./doctor-checks.ts";
import type { Finding } from "./doctor-checks.ts";

export interface Poller {
  readonly identity: string;
  /** Seconds since it last asked for a task. */
  readonly age: number;
}

// TaskQueueType of Temporal's API.
const QUEUE_TYPE = { workflow: 1, activity: 2 } as const;
/** A poll lasts about a minute, so a living poller asked again within this time. Temporal remembers the dead for some minutes. */
const ALIVE_SECONDS = 130;
const CALL_MS = 8_000;

/** Throws ApprovalError ERR_TEMPORAL_UNREACHABLE or ERR_TEMPORAL_REFUSED. */
export async function checkServer(temporal: Temporal): Promise<Finding> {
  const { address, namespace } = temporal;
  try {
    const info = await temporal.call((client) => client.workflowService.getSystemInfo({}), CALL_MS);
    await temporal.call((client) => client.workflowService.describeNamespace({ namespace }), CALL_MS);
    return ok(`${address}, namespace ${namespace}, server ${info.serverVersion || "of unknown version"}`);
  } catch (error) {
    if (/namespace .*not found/i.test(messageOf(error))) {
      return failed(
        `${address} has no namespace ${namespace}`,
        `create it (temporal operator namespace create ${namespace}), or set TEMPORAL_NAMESPACE`,
      );
    }
    throw temporalError("Call of the server", address, error);
  }
}

/** Those who lately asked for tasks of this queue. */
export async function pollersOf(
  temporal: Temporal,
  taskQueue: string,
  type: keyof typeof QUEUE_TYPE,
): Promise<readonly Poller[]> {
  const { pollers } = await temporal.call(
    (client) =>
      client.workflowService.describeTaskQueue({
        namespace: temporal.namespace,
        taskQueue: { name: taskQueue },
        taskQueueType: QUEUE_TYPE[type],
      }),
    CALL_MS,
  );
  return (pollers ?? [])
    .map(({ identity, lastAccessTime }) => ({
      identity: identity ?? "",
      age: Math.max(0, Math.round(Date.now() / 1_000 - Number(lastAccessTime?.seconds ?? 0))),
    }))
    .filter(({ age }) => age <= ALIVE_SECONDS);
}

export function pollersFinding(pollers: readonly Poller[], taskQueue: string, command: string): Finding {
  if (pollers.length === 0)
    return failed(`nobody polls the task queue ${taskQueue}`, `start one: countersign ${command}`);
  const seen = pollers.map(({ identity, age }) => `${identity} (${age} s ago)`);
  return ok(`${taskQueue} is polled by ${seen.join(", ")}`);
}

/** What the living workers last told the watch about themselves. Only to be asked while a worker is there to answer. */
export async function checkWorkerHealth(
  temporal: Temporal,
  config: WorkspaceConfig,
  workers: readonly Poller[],
): Promise<Finding> {
  const watch = await watchOf(temporal, config);
  if (watch === undefined) return ok("nothing waits, so there is nothing to report");
  if (workers.length === 0) return notChecked("no worker is there to answer");
  const state = await temporal.call(
    (client) => client.workflow.getHandle(watchWorkflowId(config.workspaceId)).query<WatchState>(STATE_QUERY),
    CALL_MS,
  );
  const living = new Set(workers.map(({ identity }) => identity));
  const troubles = Object.entries(state.workers)
    .filter(([identity]) => living.has(identity))
    .flatMap(([identity, problems]) => problems.map((problem) => `${identity}: ${problem}`));
  const decisions = `decisions come by ${state.mode}`;
  if (troubles.length === 0) return ok(`no worker reports trouble; ${decisions}`);
  return failed(`${troubles.join("; ")}; ${decisions}`, "mend it there; a worker tells its health every 5 minutes");
}

/** What the bridge tells with its heartbeats, and why its last stream failed. */
export async function checkBridgeHealth(temporal: Temporal, config: WorkspaceConfig): Promise<Finding> {
  const watch = await watchOf(temporal, config);
  if (watch === undefined) return ok("nothing waits, so no socket is held");
  const stream = (watch.pendingActivities ?? []).find(({ activityType }) => activityType?.name === "streamDecisions");
  if (stream === undefined) return warning("no stream is open just now: the next one is waiting its turn");
  const { connected, problems } = await beatOf(temporal, stream.heartbeatDetails?.payloads?.[0]);
  if (connected === true && problems.length === 0) return ok(`${stream.lastWorkerIdentity} holds the socket`);
  const why = [...problems, ...(await failureText(temporal, stream.lastFailure))].join("; ");
  if (connected !== true && why === "") {
    return warning("a stream is being opened, and no bridge has told how it went", "ask again in a few seconds");
  }
  return failed(
    `${connected === true ? "the socket is held, but" : "the socket is not open, decisions come by sweep:"} ${why || "no reason given"}`,
    "see the checks of the platform and of the socket below, and the log of the bridge",
  );
}

async function watchOf(temporal: Temporal, { workspaceId }: WorkspaceConfig) {
  try {
    const { raw, status } = await temporal.call(
      (client) => client.workflow.getHandle(watchWorkflowId(workspaceId)).describe(),
      CALL_MS,
    );
    return status.name === "RUNNING" ? raw : undefined;
  } catch (error) {
    if (isWorkflowNotFound(error)) return undefined;
    throw temporalError(`Look-up of ${watchWorkflowId(workspaceId)}`, temporal.address, error);
  }
}

type Payload = Parameters<Temporal["read"]>[0];

/** Where payloads are encrypted, the message is in one too. */
async function failureText(
  temporal: Temporal,
  failure:
    | { readonly message?: string | null; readonly encodedAttributes?: Payload | null | undefined }
    | null
    | undefined,
): Promise<readonly string[]> {
  const attributes = failure?.encodedAttributes ? await temporal.read(failure.encodedAttributes) : failure;
  const { message } = (attributes ?? {}) as { readonly message?: unknown };
  return typeof message === "string" && message !== "" ? [message] : [];
}

async function beatOf(
  temporal: Temporal,
  payload: Payload | undefined,
): Promise<{
  readonly connected: boolean | undefined;
  readonly problems: readonly string[];
}> {
  const none = { connected: undefined, problems: [] };
  if (payload === undefined) return none;
  const beat = await temporal.read(payload);
  if (typeof beat !== "object" || beat === null) return none;
  const { connected, problems } = beat as { readonly connected?: unknown; readonly problems?: unknown };
  return {
    connected: typeof connected === "boolean" ? connected : undefined,
    problems: Array.isArray(problems) ? problems.map(String) : [],
  };
}
