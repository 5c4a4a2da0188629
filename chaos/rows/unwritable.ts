/** Row 43: the audit log cannot be written while decisions come. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, chown, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ProcessOptions } from "../../test/support/processes.ts";
import { until } from "../../test/support/until.ts";
import { parsedLines } from "../audit-trail.ts";
import type { Field, Stage } from "../field.ts";
import type { Figures, Row } from "../row.ts";
import { smallDisk } from "../small-disk.ts";

const run = promisify(execFile);
/** A request's usual 30 s, and the minute for which a record is tried. */
const GRACE_MS = 90_000;
/** A user who owns nothing, by the number that Linux keeps for one. */
const NOBODY = 65_534;

interface Breakage {
  readonly env?: NodeJS.ProcessEnv;
  readonly worker?: ProcessOptions;
  /** Default 1. */
  readonly requests?: number;
  /** Returns what mends it. */
  damage(stage: Stage, pid: number): Promise<() => Promise<void>>;
}

/** The log breaks while requests wait, the decisions come, the worker complains, and the log comes back. */
async function broken(field: Field, { env = {}, worker: user, requests = 1, damage }: Breakage): Promise<Figures> {
  const stage = await field.stage({ bridge: true, env });
  stage.allow(GRACE_MS);
  const worker = stage.process("worker", {}, user);
  const all = await Promise.all(Array.from({ length: requests }, (_, n) => stage.askAndWait(`restore backup ${n}`)));
  const mend = await damage(stage, worker.pid);
  for (const asked of all) stage.decide(asked);
  await until("the worker's complaint", () => worker.stderr().includes("cannot be written"));
  const { temporal, config } = stage.stack;
  const granted = async () =>
    parsedLines(await readFile(config.audit.path, "utf8").catch(() => "")).filter(
      ({ outcome }) => outcome === "granted",
    );
  const standing = await Promise.all(
    all.map(({ handle }) => temporal.workflow.getHandle(handle.workflowId).describe()),
  );
  const held = standing.filter(({ status }) => status.name === "RUNNING").length;
  // Counted after the ends: a record stands before its request has ended.
  const records = (await granted()).length;
  assert.ok(held > 0 && requests - held <= records, `${held} of ${requests} run, ${records} records of a grant`);
  await mend();
  stage.up();
  for (const asked of all) await stage.ends(asked, "approved");
  assert.equal((await granted()).length, requests, "records of a grant");
  return { requests, held_back: held };
}

async function readOnly(field: Field): Promise<Figures> {
  const folder = await field.folder();
  const path = join(folder, "audit.jsonl");
  // Root may write whatever is read-only, so the worker is somebody else's. Whoever is not root has no need of that.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await chown(folder, NOBODY, NOBODY);
  const figures = await broken(field, {
    env: { AUDIT_LOG_PATH: path, HOME: folder, WORKSPACE_CONFIG_PATH: folder },
    worker: isRoot ? { userId: NOBODY } : {},
    async damage() {
      await chmod(path, 0o444);
      await chmod(folder, 0o555);
      return async () => {
        await chmod(folder, 0o755);
        await chmod(path, 0o600);
      };
    },
  });
  return { ...figures, worker: isRoot ? `user ${NOBODY}` : "our own user" };
}

async function fullDisk(field: Field): Promise<Figures> {
  const disk = await smallDisk(field);
  // Without the right to mount one: a limit of the file's size, which stops a write half-way as a full disk does. The soft one can be lifted.
  if (disk === undefined) {
    const limit = (pid: number, fsize: string) => run("prlimit", ["--pid", String(pid), `--fsize=${fsize}:`]);
    const figures = await broken(field, {
      async damage(_stage, pid) {
        await limit(pid, "1500");
        return async () => void (await limit(pid, "unlimited"));
      },
    });
    return { ...figures, disk: "a limit of the file's size" };
  }
  const path = join(disk.folder, "audit.jsonl");
  const figures = await broken(field, {
    env: { AUDIT_LOG_PATH: path },
    // More records than fit into the page that the log has begun.
    requests: 8,
    async damage() {
      await disk.fill();
      return () => disk.free();
    },
  });
  // The record that met the end of the disk half-way, and was written again.
  const text = await readFile(path, "utf8");
  const torn_lines = text.trimEnd().split("\n").length - parsedLines(text).length;
  return { ...figures, torn_lines, disk: `${disk.size_kib} KiB` };
}

export const UNWRITABLE: readonly Row[] = [
  { row: 43, name: "the disk is full while decisions are to be recorded", run: fullDisk },
  { row: 43, name: "the log is read-only while a decision is to be recorded", run: readOnly },
  {
    row: 43,
    name: "a folder stands in the log's place while a decision is to be recorded",
    run: (field) =>
      broken(field, {
        async damage({ stack }) {
          const { path } = stack.config.audit;
          await rename(path, `${path}.kept`);
          await mkdir(path);
          return async () => {
            await rm(path, { recursive: true });
            await rename(`${path}.kept`, path);
          };
        },
      }),
  },
  {
    row: 43,
    name: "the folder of the log is missing at the start",
    async run(field) {
      const path = join(await field.folder(), "a", "b", "audit.jsonl");
      const stage = await field.stage({ bridge: true, env: { AUDIT_LOG_PATH: path } });
      stage.process("worker");
      await stage.grants(await stage.ask("restore the backup"));
      assert.deepEqual(
        parsedLines(await readFile(path, "utf8")).map(({ outcome }) => outcome),
        ["requested", "granted"],
      );
    },
  },
];
