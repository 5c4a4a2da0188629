/** What stands in a workflow's history: the one witness that no part of ours can talk to. */
import { defaultPayloadConverter, type Client } from "@temporalio/client";
import type { WatchState } from "../../src/domain/state.ts";
import { until } from "./until.ts";

type History = Awaited<ReturnType<ReturnType<Client["workflow"]["getHandle"]>["fetchHistory"]>>;
type HistoryEvent = NonNullable<History["events"]>[number];

interface Signalled {
  readonly name: string;
  readonly payload: unknown;
}

export async function eventsOf(client: Client, workflowId: string): Promise<readonly HistoryEvent[]> {
  return (await client.workflow.getHandle(workflowId).fetchHistory()).events ?? [];
}

/** Waits for the first event of this kind, and returns it. */
export async function untilEvent(
  client: Client,
  workflowId: string,
  kind: keyof HistoryEvent,
  limitMs?: number,
): Promise<HistoryEvent> {
  const find = async () => (await eventsOf(client, workflowId)).find((event) => event[kind] != null);
  return await until(`${kind} in the history of ${workflowId}`, find, limitMs);
}

export async function signalsOf(client: Client, workflowId: string): Promise<readonly Signalled[]> {
  return (await eventsOf(client, workflowId)).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => {
    const payload = signal?.input?.payloads?.[0];
    return signal == null
      ? []
      : [
          {
            name: signal.signalName ?? "",
            payload: payload == null ? undefined : defaultPayloadConverter.fromPayload<unknown>(payload),
          },
        ];
  });
}

/** Who told the workflow of a decision: "socket" or "sweep", in the order of the signals. */
export async function hintSources(client: Client, workflowId: string): Promise<readonly string[]> {
  const hints = (await signalsOf(client, workflowId)).filter((signal) => signal.name === "decided");
  return hints.map((hint) => (hint.payload as { readonly source: string }).source);
}

export async function watchState(client: Client, workspaceId: string): Promise<WatchState> {
  return await client.workflow.getHandle(`watch:${workspaceId}`).query<WatchState>("state");
}

/** Waits until the watch says that it is in this mode. */
export async function untilWatch(
  client: Client,
  workspaceId: string,
  what: string,
  holds: (state: WatchState) => boolean,
  limitMs?: number,
): Promise<WatchState> {
  const ask = async () => {
    // It may not run yet, and no worker may be there to answer.
    const state = await watchState(client, workspaceId).catch(() => undefined);
    return state !== undefined && holds(state) ? state : undefined;
  };
  return await until(`the watch of ${workspaceId}: ${what}`, ask, limitMs);
}
