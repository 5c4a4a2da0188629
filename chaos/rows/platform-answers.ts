/** Rows 26 to 30: what a platform may answer instead of JSON, and lists that do not tell the truth. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { startPlatform } from "../../test/support/platform.ts";
import type { FaultAnswer } from "../../test/support/platform-faults.ts";
import type { Field } from "../field.ts";
import { peakMemoryMb } from "../memory.ts";
import type { Figures, Row } from "../row.ts";

const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };

/** The first answers to a creation and to the lists are spoilt: the approval is found all the same, and granted once. */
async function spoilt(field: Field, create: FaultAnswer, list: FaultAnswer): Promise<Figures> {
  const stage = await field.stage({ bridge: true });
  const { platform, workspaceId } = stage.stack;
  const worker = stage.process("worker");
  await worker.ready();
  const before = peakMemoryMb(worker.pid);
  platform.fault({ method: "POST", path: /\/approvals$/, times: 1, when: "after", answer: create });
  const asked = await stage.askAndWait("merge the branch");
  const fault = platform.fault({ method: "GET", path: /\/approvals/, times: 2, answer: list });
  stage.decide(asked);
  await platform.until(() => fault.hits > 0, "a spoilt list");
  await stage.ends(asked, "approved");
  assert.equal(platform.approvals(workspaceId).length, 1);
  return { peak_rss_growth_mb: peakMemoryMb(worker.pid) - before };
}

const bodies: readonly [string, number, string, string][] = [
  ["HTML", 200, "<!doctype html><title>Welcome</title>", "text/html"],
  ["nothing", 200, "", "application/json"],
  ["JSON that breaks off", 200, '[{"id":"', "application/json"],
  ["wrong types", 200, '{"approval_id":7}', "application/json"],
  ["a byte order mark", 200, '\ufeff[{"id":"x","status":"approved"}]', "application/json"],
];

const BOMB = {
  headers: { ...JSON_TYPE, "content-encoding": "gzip" },
  body: gzipSync(Buffer.alloc(64 * 1024 * 1024, " ")),
};

export const PLATFORM_ANSWERS: readonly Row[] = [
  ...bodies.map(([name, status, body, type]): Row => ({
    row: 26,
    name: `${name} instead of an answer`,
    async run(field) {
      const answer = { status, body, headers: { "content-type": type } };
      await spoilt(field, { ...answer, status: 201 }, answer);
    },
  })),
  {
    row: 27,
    name: "500 MB instead of an answer",
    alone: true,
    run: (field) => spoilt(field, { stream: 500_000_000 }, { stream: 500_000_000 }),
  },
  { row: 27, name: "a dripping answer", run: (field) => spoilt(field, { drip: 2 }, { drip: 2 }) },
  ...[301, 302, 307, 308].map((status): Row => ({
    row: 28,
    name: `a ${status} to another host`,
    async run(field) {
      const elsewhere = await startPlatform();
      field.after(() => elsewhere.stop());
      const stage = await field.stage({ worker: true, bridge: true });
      const answer = { status, headers: { location: `${elsewhere.url}/workspaces/x/approvals` } };
      const fault = stage.stack.platform.fault({ method: "POST", answer });
      await stage.ends(await stage.start("move the house", { timeoutSeconds: 5 }), "failed");
      fault.remove();
      const asked = await stage.askAndWait("move it again");
      stage.stack.platform.fault({ method: "GET", path: /\/approvals/, times: 2, answer });
      await stage.grants(asked);
      assert.deepEqual(elsewhere.requests, []);
    },
  })),
  {
    row: 29,
    name: "a gzip bomb instead of an answer",
    run: (field) => spoilt(field, { ...BOMB, status: 201 }, { ...BOMB, status: 200 }),
  },
  {
    row: 30,
    name: "a list of 50 newer approvals without ours grants nothing, and the deadline withdraws",
    async run(field) {
      const stage = await field.stage({ worker: true, bridge: true });
      const { platform, workspaceId } = stage.stack;
      const asked = await stage.askAndWait("buried", { timeoutSeconds: 4 });
      for (let i = 0; i < 50; i++) platform.create(workspaceId, { action: `newer ${i}`, task_id: "other" });
      const result = await stage.ends(asked, "timed_out");
      assert.equal(result.status === "timed_out" && result.withdrawn, true);
    },
  },
  {
    row: 30,
    name: "a list of 50 newer approvals without ours, and COUNTERSIGN_HINT_KEY: granted, and marked as not verified",
    async run(field) {
      const key = "k".repeat(43);
      const stage = await field.stage({ worker: true, bridge: true, env: { COUNTERSIGN_HINT_KEY: key } });
      stage.secret(key);
      const { platform, workspaceId } = stage.stack;
      await platform.untilConnected(workspaceId);
      const asked = await stage.askAndWait("buried");
      for (let i = 0; i < 50; i++) platform.create(workspaceId, { action: `newer ${i}`, task_id: "other" });
      const result = await stage.grants(asked);
      assert.equal(result.status === "approved" && result.verified, false);
    },
  },
  {
    row: 30,
    name: "lists in the wrong order, with duplicates, and at first without us",
    async run(field) {
      const stage = await field.stage({ worker: true, bridge: true });
      const { platform, workspaceId } = stage.stack;
      const asked = await stage.askAndWait("shuffled");
      for (let i = 0; i < 5; i++) platform.create(workspaceId, { action: `newer ${i}`, task_id: "other" });
      let lists = 0;
      platform.onList = (items) => {
        lists += 1;
        const shuffled = [...items, ...items].toReversed();
        return lists <= 3 ? shuffled.filter((item) => (item as { id?: string }).id !== asked.approval.id) : shuffled;
      };
      await stage.grants(asked);
      assert.ok(lists > 3, `${lists} lists`);
    },
  },
];
