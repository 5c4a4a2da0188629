/** Row 48: a new version takes over what waits. */
import assert from "node:assert/strict";
import { eventsOf } from "../../test/support/history.ts";
import type { PartProcess } from "../../test/support/processes.ts";
import { askMany, decideAll } from "../crowd.ts";
import type { Asked, Field, Stage } from "../field.ts";
import { buildNextVersion } from "../next-version/build.ts";
import { AFTER, BEFORE } from "../next-version/step-names.ts";
import type { Figures, Row } from "../row.ts";

interface Ran {
  /** Which of the two steps it took, in their order. Today's workflows may have patches of their own. */
  readonly patches: readonly string[];
  readonly timers_before_creation: number;
  /** Who carried out its workflow tasks: pids, in the order of the tasks. */
  readonly pids: readonly number[];
}

async function ran({ stack }: Stage, { handle }: Asked): Promise<Ran> {
  const events = await eventsOf(stack.temporal, handle.workflowId);
  const patches = events.flatMap(({ markerRecordedEventAttributes: marker }) => {
    if (marker?.markerName !== "core_patch") return [];
    const [payload] = Object.values(marker.details ?? {}).flatMap(({ payloads }) => payloads ?? []);
    const { id } = JSON.parse(Buffer.from(payload?.data ?? []).toString("utf8")) as { readonly id: string };
    return id === BEFORE || id === AFTER ? [id] : [];
  });
  const pids = events.flatMap(({ workflowTaskCompletedEventAttributes: task }) =>
    task == null ? [] : [Number.parseInt(task.identity ?? "", 10)],
  );
  const creation = events.findIndex((one) => one.activityTaskScheduledEventAttributes != null);
  const timers = events.slice(0, creation).filter((one) => one.timerStartedEventAttributes != null);
  return { patches, timers_before_creation: timers.length, pids };
}

/** It was asked on the old worker, and `next` alone carries on from its own first task. */
function assertTookOver({ pids }: Ran, old: PartProcess, next: PartProcess): void {
  const first = pids.indexOf(next.pid);
  const expected = pids.map((_, n) => (n < first ? old.pid : next.pid));
  assert.ok(first !== -1, `no task was carried out by ${next.pid}`);
  assert.deepEqual(pids, expected);
}

async function takenOver(field: Field, waiting: number, started: number): Promise<Figures> {
  const main = await buildNextVersion(await field.folder());
  const stage = await field.stage({ bridge: true, platform: { listLimit: 10_000 } });
  const old = stage.process("worker");
  const before = await askMany(stage, waiting, 300, true);
  const next = stage.process("worker", {}, { main });
  await next.ready();
  old.send("SIGTERM");
  await old.exited;
  stage.up();
  const after = await askMany(stage, started, 300);
  const all_decided_ms = await decideAll(stage, [...before, ...after]);
  for (const asked of before) {
    const one = await ran(stage, asked);
    assert.deepEqual([one.patches, one.timers_before_creation], [[AFTER], 0]);
    assertTookOver(one, old, next);
  }
  for (const asked of after) {
    const one = await ran(stage, asked);
    assert.deepEqual([one.patches, one.timers_before_creation], [[BEFORE, AFTER], 1]);
    assert.deepEqual(new Set(one.pids), new Set([next.pid]));
  }
  return { waiting, started_on_the_new: started, all_decided_ms };
}

export const NEXT_VERSION: readonly Row[] = [
  {
    row: 48,
    name: "a new version, with changed workflow code, takes over 20 waiting requests",
    alone: true,
    run: (field) => takenOver(field, 20, 4),
  },
  {
    row: 48,
    name: "a new version, with changed workflow code, takes over 100 waiting requests",
    alone: true,
    longOnly: true,
    limitMs: 180_000,
    run: (field) => takenOver(field, 100, 20),
  },
];
