/** Row 54, the long way: an hour of few requests and mild faults, after which nothing has grown. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { PartProcess } from "../../test/support/processes.ts";
import type { Field, Stage } from "../field.ts";
import { memoryMb } from "../memory.ts";
import { openFiles } from "../open-files.ts";
import { randomFrom } from "../random.ts";
import type { Figures, Row } from "../row.ts";

const SOAK_MS = 3_600_000;
/** By then every part has warmed up; what it holds is held against what it holds at the end. */
const WARM_MS = 300_000;
const PER_MINUTE = 4;
const FAULT_EVERY_MS = 60_000;
/** Far more than a process breathes, far less than a leak of an hour takes. */
const GROWTH_MB = 150;
const GROWTH_FILES = 50;

const FATES = ["approved", "approved", "denied", "withdrawn", "forgotten"] as const;
const MILD: readonly ((stage: Stage) => Promise<void>)[] = [
  async ({ stack }) => stack.platform.dropSockets(),
  async ({ stack }) => stack.platform.restart(),
  async ({ stack: { platform } }) => {
    const fault = platform.fault({ path: /\/approvals/, answer: { status: 503 } });
    await delay(2_000);
    fault.remove();
  },
  async ({ stack: { platform } }) => {
    platform.eventsOff = true;
    await delay(5_000);
    platform.eventsOff = false;
  },
  async ({ stack: { platform } }) => {
    const fault = platform.fault({ method: "POST", path: /\/approvals$/, times: 1, when: "after", answer: "reset" });
    await delay(10_000);
    fault.remove();
  },
];

/** What a process holds. */
interface Holding {
  readonly rss_mb: number;
  readonly files: number;
}

async function soak(field: Field): Promise<Figures> {
  const random = randomFrom(field.seed);
  const stage = await field.stage({ platform: { listLimit: 10_000 } });
  const parts = new Map(["worker" as const, "bridge" as const].map((name) => [name, stage.process(name)]));
  await stage.stack.platform.untilConnected(stage.stack.workspaceId);
  const plan = Array.from({ length: (SOAK_MS / 60_000) * PER_MINUTE }, (_, n) => ({
    n,
    startMs: (n * 60_000) / PER_MINUTE + random.below(5_000),
    timeoutSeconds: 20 + random.below(100),
    fate: random.oneOf(FATES),
    fateMs: random.below(60_000),
  }));
  const faults = Array.from({ length: SOAK_MS / FAULT_EVERY_MS }, () => random.below(MILD.length));

  const statuses = new Map<string, number>();
  const one = async ({ n, startMs, timeoutSeconds, fate, fateMs }: (typeof plan)[number]): Promise<void> => {
    await delay(startMs);
    const asked = await stage.ask(`request ${n}`, { timeoutSeconds });
    const told = asked.result.then(({ status }) => void statuses.set(status, (statuses.get(status) ?? 0) + 1));
    await Promise.race([delay(fateMs), told]);
    if (fate === "withdrawn") await asked.handle.withdraw();
    else if (fate !== "forgotten") stage.decide(asked, fate);
    await told;
  };
  const lives = Promise.all(plan.map(one));
  lives.catch(() => {});

  const from = performance.now();
  let warm: ReadonlyMap<string, Holding> | undefined;
  for (const [n, fault] of faults.entries()) {
    await delay(Math.max(0, from + n * FAULT_EVERY_MS - performance.now()));
    if (warm === undefined && performance.now() - from >= WARM_MS) warm = held(parts);
    await MILD[fault]?.(stage);
  }
  await lives;
  const figures: Record<string, number> = { requests: plan.length, faults: faults.length };
  for (const [name, end] of held(parts)) {
    const start = warm?.get(name);
    assert.ok(start !== undefined);
    const [mb, files] = [end.rss_mb - start.rss_mb, end.files - start.files];
    Object.assign(figures, {
      [`${name}_rss_mb`]: end.rss_mb,
      [`${name}_rss_growth_mb`]: mb,
      [`${name}_files`]: end.files,
      [`${name}_files_growth`]: files,
    });
    assert.ok(mb < GROWTH_MB, `the ${name} grew by ${mb} MB`);
    assert.ok(files < GROWTH_FILES, `the ${name} has ${files} more files open`);
  }
  return { ...figures, ...Object.fromEntries(statuses) };
}

function held(parts: ReadonlyMap<string, PartProcess>): ReadonlyMap<string, Holding> {
  return new Map([...parts].map(([name, { pid }]) => [name, { rss_mb: memoryMb(pid), files: openFiles(pid) }]));
}

export const SOAK: readonly Row[] = [
  {
    row: 54,
    name: "a soak of 1 h: 240 requests and a mild fault a minute",
    longOnly: true,
    alone: true,
    limitMs: SOAK_MS + 600_000,
    run: soak,
  },
];
