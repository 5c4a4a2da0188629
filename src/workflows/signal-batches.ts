/**
 * Hands over the signals of one name that came together in one call of their handler. Each call costs the SDK a millisecond, and
 * anybody who reaches the Temporal server can signal ten thousand times: the replay would take longer than a workflow task may, and
 * every worker that tries it would fail (docs/reliability.md, row 53).
 */
import { defaultPayloadConverter, type ActivateInput, type WorkflowInternalsInterceptor } from "@temporalio/workflow";
import { CONNECTED_SIGNAL, DECIDED_SIGNAL, LATE_SIGNAL, WAKE_SIGNAL } from "../domain/names.ts";

type Jobs = NonNullable<ActivateInput["activation"]["jobs"]>;
type Signal = NonNullable<Jobs[number]["signalWorkflow"]>;

const KNOWN: ReadonlySet<unknown> = new Set([CONNECTED_SIGNAL, DECIDED_SIGNAL, LATE_SIGNAL, WAKE_SIGNAL]);
/** For every other name, since the SDK fails the task of a workflow on those that it reserves for itself. */
const UNKNOWN = "unknown";
/** In the place of the payload of a signal that has none: no handler takes it for anything. */
const NOTHING = defaultPayloadConverter.toPayload(null);

export const signalBatches: WorkflowInternalsInterceptor = {
  activate({ activation, batchIndex }, next) {
    activation.jobs = batched(activation.jobs ?? []);
    next({ activation, batchIndex });
  },
};

/** Each name stands where it came first, with the first payload of each of its signals in their order. */
function batched(jobs: Jobs): Jobs {
  const batches = new Map<unknown, Signal>();
  return jobs.filter(({ signalWorkflow: signal }) => {
    if (signal === null || signal === undefined) return true;
    const payload = signal.input?.[0] ?? NOTHING;
    const name = KNOWN.has(signal.signalName) ? (signal.signalName as string) : UNKNOWN;
    const batch = batches.get(name);
    batch?.input?.push(payload);
    if (batch === undefined) batches.set(name, Object.assign(signal, { signalName: name, input: [payload] }));
    return batch === undefined;
  });
}
