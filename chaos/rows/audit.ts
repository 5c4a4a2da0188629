/** Rows 44 to 46: audit logs that others rotate, cut and write. */
import assert from "node:assert/strict";
import { readFile, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openAuditLog } from "../../src/audit/audit-log.ts";
import { finalRecord, requestedRecord } from "../../src/domain/audit-record.ts";
import { brokenChains, parsedLines } from "../audit-trail.ts";
import type { Field } from "../field.ts";
import type { Figures, Row } from "../row.ts";

/** What stands after each cut is continued, and the chain is whole. A cut at every `step` bytes. */
async function cutTail(field: Field, step: number): Promise<Figures> {
  const path = join(await field.folder(), "audit.jsonl");
  const first = openAuditLog({ path, required: true, secrets: [] });
  for (const id of ["a", "b", "c", "d"]) await first.append(requestedRecord(BASE, id, "because"));
  await first.close();
  const whole = await readFile(path);
  const from = whole.indexOf("\n") + 1;
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
    name: "a tail that is cut at every 23rd byte of its last 3 records",
    // Steps that meet every kind of place.
    run: (field) => cutTail(field, 23),
  },
  {
    row: 45,
    name: "a tail that is cut at every byte of its last 3 records",
    longOnly: true,
    limitMs: 600_000,
    run: (field) => cutTail(field, 1),
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
