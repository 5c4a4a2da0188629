/** The seeded nemesis: its lanes of mischief run beside each other, while agents ask and people decide. The checker judges afterwards. */
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createApprovals } from "../../src/client/approvals.ts";
import type { ApprovalResult } from "../../src/domain/outcome.ts";
import type { PartProcess } from "../../test/support/processes.ts";
import { until } from "../../test/support/until.ts";
import { parsedLines } from "../audit-trail.ts";
import type { Field } from "../field.ts";
import type { Evidence } from "../witness.ts";
import { startLossyLine } from "../lossy-line.ts";
import type { Figures } from "../row.ts";
import { ANSWERED } from "./answers.ts";
import { bareAgent } from "./bare-agent.ts";
import { live } from "./people.ts";
import { draw, type Length, type Move } from "./plan.ts";
import { PROCESSES } from "./processes.ts";
import type { Lane, PartName, Scene } from "./scene.ts";
import { SURROUNDINGS } from "./surroundings.ts";

const LANES: readonly Lane[] = [PROCESSES, ANSWERED, SURROUNDINGS];
const PEOPLES_TOKEN = "token-of-the-people-who-decide";
const RESTART_MS = 1_000;
/** So many requests that broke a promise are told in full. */
const TOLD = 5;
/** How long the watch may take to settle what its requests left behind: it lists about once a minute. */
const SETTLING_MS = 100_000;

export async function play(field: Field, length: Length): Promise<Figures> {
  const plan = draw(
    field.seed,
    length,
    LANES.map((lane) => Object.keys(lane)),
  );
  const temporal = await field.temporal();
  const auditFolder = await linkedFolder(field);
  const stage = await field.stage({
    env: {
      TEMPORAL_ADDRESS: temporal.address,
      AUDIT_LOG_PATH: join(auditFolder, "audit.jsonl"),
      ...(plan.hintKey ? { COUNTERSIGN_HINT_KEY: "k".repeat(43) } : {}),
    },
    // The inbox answers for every approval by its id; this platform answers with a list that is long enough, or is cut short.
    platform: { listLimit: 100_000, clockOffsetMs: plan.clockOffsetMs, adminToken: PEOPLES_TOKEN },
  });
  const { platform, workspaceId, config } = stage.stack;
  stage.allow(120_000);
  stage.people(PEOPLES_TOKEN);
  const line = await startLossyLine(field, temporal.address);
  const book = stage.keepBook();
  const complaints: string[] = [];
  const parts = new Map<PartName, PartProcess>();
  const faults = new Map<string, number>();
  const count = (counts: Map<string, number>, what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
  /** A worker ends at its start where it cannot write its records. */
  const launch = (name: PartName): void => {
    const part = stage.process(name);
    parts.set(name, part);
    void part.exited.then(async () => {
      await delay(RESTART_MS);
      if (parts.get(name) !== part || field.signal.aborted) return;
      count(faults, `${name} ended by itself`);
      launch(name);
    });
  };
  const scene: Scene = { stage, temporal, line, book, parts, launch, complaints, auditFolder, lists: new Map() };
  platform.onList = (items) => [...scene.lists.values()].reduce((changed, change) => change(changed), items);
  for (const name of ["worker", "bridge"] as const) launch(name);
  await platform.untilConnected(workspaceId);

  const onLine = { ...config, temporal: { ...config.temporal, address: line.address } };
  const approvals = createApprovals(onLine, { warn: () => {}, unreachableAfterMs: 1_000 });
  const bare = bareAgent(field, line, config, approvals, false);
  const unheard = bareAgent(field, line, config, approvals, true);
  const company = { stage, book, approvals, bare, unheard, token: PEOPLES_TOKEN };
  const statuses = new Map<string, number>();
  const lives = Promise.all(plan.requests.map(async (request) => count(statuses, told(await live(company, request)))));
  lives.catch(() => {});

  const ends = performance.now() + length.seconds * 1_000;
  const lane = async (kinds: Lane, moves: readonly Move[]) => {
    for (const move of moves) {
      if (performance.now() >= ends) return;
      const act = kinds[move.name] ?? kinds[`+${move.name}`] ?? kinds[`-${move.name}`];
      // A signal to a server that is down, and the like: mischief may fail, requests may not.
      const came = await act?.(scene, move).catch(() => undefined);
      count(faults, came === false ? `${move.name}: missed` : move.name);
      await delay(move.pauseMs);
    }
  };
  await Promise.all(LANES.map((kinds, n) => lane(kinds, plan.lanes[n] ?? [])));
  stage.up();
  await lives;
  const { evidence, found, settled } = await settle();
  const figures = {
    seed: field.seed,
    hint_key: plan.hintKey ? "yes" : "no",
    clock_ahead_ms: plan.clockOffsetMs,
    requests: length.requests,
    ...sorted(statuses),
    ...settled,
    faults: [...faults.values()].reduce((sum, one) => sum + one, 0),
    ...sorted(faults),
  };
  // The checker speaks again when the row is over; here it is known what was played.
  const lines = found.map((one) => `${one.invariant} ${one.workflow_id}: ${one.text}`);
  const stories = [...new Set(found.map((one) => one.workflow_id))].slice(0, TOLD).map((id) => story(evidence, id));
  if (lines.length + complaints.length > 0)
    throw new Error([...complaints, ...lines, ...stories, `played: ${JSON.stringify(figures)}`].join("\n"));
  return figures;

  /** What was left behind the watch puts in order at its next lists; what is wrong after that, stays wrong. */
  async function settle() {
    // A bridge remembers for five minutes what it has told, and looks no more at what was told before its request ended.
    const bridge = parts.get("bridge");
    parts.delete("bridge");
    await bridge?.kill();
    launch("bridge");
    let last = await stage.judge();
    const isSettled = async () => {
      last = await stage.judge();
      const pending = platform.approvals(workspaceId).some((one) => one.status === "pending" && one.task_id !== "");
      return last.found.length === 0 && !pending;
    };
    await until("everything is settled", isSettled, SETTLING_MS).catch(() => undefined);
    return last;
  }
}

/** All that is known of a request that broke a promise. */
function story({ approvals, audit, attempts, requests }: Evidence, workflow_id: string): string {
  const own = approvals.filter((one) => workflow_id !== "" && one.task_id.startsWith(`${workflow_id}#`));
  const facts = [
    ...requests.filter((one) => one.workflow_id === workflow_id),
    ...own,
    ...attempts.filter(({ approval_id }) => own.some(({ id }) => id === approval_id)),
    ...audit.flatMap(parsedLines).filter((line) => workflow_id !== "" && line["workflow_id"] === workflow_id),
  ];
  return facts.map((fact) => `  ${JSON.stringify(fact)}`).join("\n");
}

/** How a request ended, as its agent was told. */
function told(result: ApprovalResult | undefined): string {
  if (result === undefined) return "never known";
  const notes = [
    ...(result.status === "approved" && !result.verified ? ["unverified"] : []),
    ...("audited" in result && result.audited === false ? ["unaudited"] : []),
  ];
  return [result.status, ...notes].join(" ");
}

function sorted(counts: ReadonlyMap<string, number>): { readonly [what: string]: number } {
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** A link to a folder, which can be made to lead elsewhere in one step. */
async function linkedFolder(field: Field): Promise<string> {
  const folder = await field.folder();
  await mkdir(join(folder, "logs"));
  const link = join(folder, "audit");
  await symlink(join(folder, "logs"), link);
  return link;
}
