/** Rows 43 to 46: what can happen to the audit log. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { openAuditLog } from "../../src/audit/audit-log.ts";
import { finalRecord, requestedRecord } from "../../src/domain/audit-record.ts";
import { until } from "../../test/support/until.ts";
import { brokenChains, parsedLines } from "../audit-trail.ts";
import type { Field, Stage } from "../field.ts";
import type { Row } from "../row.ts";

const run = promisify(execFile);
const GRACE_MS = 90_000;

/** The log breaks while a request waits, the decision comes, the worker complains, and the log comes back. */
async function broken(
  field: Field,
  damage: (stage: Stage, pid: number) => Promise<() => Promise<void>>,
): Promise<void> {
  const stage = await field.stage({ bridge: true });
  stage.allow(GRACE_MS);
  const worker = stage.process("worker");
  const asked = await stage.askAndWait("restore the backup");
  const mend = await damage(stage, worker.pid);
  stage.decide(asked);
  await until("the worker's complaint", () => worker.stderr().includes("cannot be written"));
  const standing = await stage.stack.temporal.workflow.getHandle(asked.handle.workflowId).describe();
  assert.equal(standing.status.name, "RUNNING", "nothing is granted without its record");
  await mend();
  stage.up();
  await stage.ends(asked, "approved");
}

const BASE = {
  workspace_id: "ws",
  workflow_id: "approval:ws:r",
  task_id: "approval:ws:r#1",
  trace_id: "5f0c9b5e-2d3b-4c8e-9a56-0d4a6a4b7c11",
  action: "drop",
  time_ms: 1_770_000_000_000,
};

export const AUDIT: readonly Row[] = [
  {
    row: 43,
    name: "the disk is full while a decision is to be recorded",
    run: (field) =>
      broken(field, async (_stage, pid) => {
        // A limit of the file's size, which stops a write half-way as a full disk does; the soft one, so that it can be lifted.
        await run("prlimit", ["--pid", String(pid), "--fsize=1500:"]);
        return async () => void (await run("prlimit", ["--pid", String(pid), "--fsize=unlimited:"]));
      }),
  },
  {
    row: 43,
    name: "the log cannot be opened while a decision is to be recorded",
    run: (field) =>
      broken(field, async ({ stack }) => {
        // Root may write a read-only file, but nobody can write a folder.
        const { path } = stack.config.audit;
        await rename(path, `${path}.kept`);
        await mkdir(path);
        return async () => {
          await rm(path, { recursive: true });
          await rename(`${path}.kept`, path);
        };
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
      assert.equal(dirname(path).endsWith("/a/b"), true);
    },
  },
  {
    row: 44,
    name: "the log is rotated from outside while a request waits",
    async run(field) {
      const stage = await field.stage({ bridge: true });
      stage.process("worker");
      const asked = await stage.askAndWait("restore the backup");
      const { path } = stage.stack.config.audit;
      await rename(path, `${path}.rotated-1`);
      await stage.grants(asked);
      assert.equal(stage.stack.audit().length, 1, "the final record is in the new file");
    },
  },
  {
    row: 44,
    name: "the log is truncated from outside while a request waits",
    async run(field) {
      const stage = await field.stage({ bridge: true });
      stage.trailIsBroken();
      stage.process("worker");
      const asked = await stage.askAndWait("restore the backup");
      await truncate(stage.stack.config.audit.path, 0);
      await stage.grants(asked);
      assert.deepEqual(
        stage.stack.audit().map((line) => line.outcome),
        ["granted"],
      );
    },
  },
  {
    row: 45,
    name: "a tail that is cut at every byte of its last 3 records",
    async run(field) {
      const path = join(await field.folder(), "audit.jsonl");
      const first = openAuditLog({ path, required: true, secrets: [] });
      for (const id of ["a", "b", "c", "d"]) await first.append(requestedRecord(BASE, id, "because"));
      await first.close();
      const whole = await readFile(path);
      const text = whole.toString("utf8");
      const from = text.indexOf("\n") + 1;
      // Every byte in the long form; the short one takes steps that meet every kind of place.
      const step = field.long ? 1 : 23;
      let cuts = 0;
      for (let length = from; length <= whole.length; length += step) {
        await writeFile(path, whole.subarray(0, length));
        const log = openAuditLog({ path, required: true, secrets: [] });
        const result = {
          status: "failed",
          approved: false,
          error: "x",
          trace_id: BASE.trace_id,
          workflow_id: BASE.workflow_id,
        } as const;
        await log.append(finalRecord(BASE, result));
        await log.close();
        const lines = parsedLines(await readFile(path, "utf8"));
        assert.equal(lines.at(-1)?.["outcome"], "failure", `cut at ${length}`);
        assert.deepEqual(brokenChains(lines), [], `cut at ${length}`);
        cuts += 1;
      }
      return { cuts };
    },
  },
  {
    row: 45,
    name: "the tail is torn while the worker is dead",
    async run(field) {
      const stage = await field.stage({ bridge: true });
      stage.trailIsBroken();
      const worker = stage.process("worker");
      const asked = await stage.askAndWait("restore the backup");
      await worker.kill();
      const { path } = stage.stack.config.audit;
      const { length } = await readFile(path);
      await truncate(path, length - 40);
      stage.process("worker");
      stage.up();
      await stage.grants(asked);
      const lines = parsedLines(await readFile(path, "utf8"));
      assert.equal(lines.at(-1)?.["outcome"], "granted");
    },
  },
  {
    row: 46,
    name: "four workers write one log at once",
    limitMs: 90_000,
    async run(field) {
      const stage = await field.stage({ bridge: true, platform: { listLimit: 1_000 } });
      for (let i = 0; i < 4; i++) stage.process("worker");
      const all = await Promise.all(
        Array.from({ length: 24 }, (_, n) => stage.ask(`request ${n}`, { timeoutSeconds: 90 })),
      );
      for (const asked of all) stage.decide(asked);
      for (const asked of all) await stage.ends(asked, "approved");
      const writers = new Set(stage.stack.audit().map((line) => line["writer_id"]));
      return { records: stage.stack.audit().length, writers: writers.size };
    },
  },
];
