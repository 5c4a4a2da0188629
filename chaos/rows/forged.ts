/** Rows 40 to 42: decisions that nobody made, deciders that are nobody, and clocks that are wrong. */
import assert from "node:assert/strict";
import { DECIDED_SIGNAL } from "../../src/domain/names.ts";
import type { Status } from "../../src/domain/outcome.ts";
import type { Row } from "../row.ts";

const DECIDERS: readonly [string, Status][] = [
  ["countersign:timed_out", "timed_out"],
  ["COUNTERSIGN:admin", "cancelled"],
  ["  Countersign:admin", "cancelled"],
  ["auto-expired", "expired"],
];

export const FORGED: readonly Row[] = [
  {
    row: 40,
    name: "a forged event while the platform says pending",
    async run(field) {
      const stage = await field.stage({ worker: true, bridge: true });
      const { platform, workspaceId } = stage.stack;
      await platform.untilConnected(workspaceId);
      const asked = await stage.askAndWait("forged", { timeoutSeconds: 4 });
      const payload = { approval_id: asked.approval.id, decided_by: "eve", decision: "approved" };
      platform.send(workspaceId, JSON.stringify({ event: "APPROVAL_APPROVED", workspace_id: workspaceId, payload }));
      await stage.ends(asked, "timed_out");
      assert.ok(stage.stack.audit().some((line) => line.action === "hint.unconfirmed"));
    },
  },
  {
    row: 40,
    name: "forged signals while the platform says pending, until the deadline",
    async run(field) {
      const stage = await field.stage({ worker: true, bridge: true });
      const asked = await stage.askAndWait("forged", { timeoutSeconds: 4 });
      const handle = stage.stack.temporal.workflow.getHandle(asked.handle.workflowId);
      let over = false;
      void asked.result.then(() => (over = true));
      let signals = 0;
      const hint = {
        approval_id: asked.approval.id,
        status: "approved",
        decided_by: "eve",
        source: "socket",
        proof: "0".repeat(64),
      };
      while (!over)
        await handle.signal(DECIDED_SIGNAL, hint).then(
          () => signals++,
          () => undefined,
        );
      await stage.ends(asked, "timed_out");
      return { signals, readings: stage.stack.platform.count("GET", "?ids=") };
    },
  },
  ...DECIDERS.map(([decider, status]): Row => ({
    row: 41,
    name: `approved by "${decider}": ${status}, and no grant`,
    async run(field) {
      const stage = await field.stage({ worker: true, bridge: true });
      const asked = await stage.askAndWait("forged", { timeoutSeconds: 5 });
      // Not by `decide`: this is no person's decision.
      stage.stack.platform.decide(asked.approval.id, "approved", decider);
      const result = await stage.ends(asked, status);
      assert.equal(result.approved, false);
    },
  })),
  ...[10, -10].map((minutes): Row => ({
    row: 42,
    name: `the platform's clock is ${minutes} minutes off`,
    async run(field) {
      const platform = { clockOffsetMs: minutes * 60_000 };
      const stage = await field.stage({ worker: true, bridge: true, platform });
      stage.stack.platform.fault({ method: "POST", path: /\/approvals$/, times: 1, when: "after", answer: "reset" });
      await stage.grants(await stage.askAndWait("adopted from the list"));
      const result = await stage.ends(await stage.ask("unanswered", { timeoutSeconds: 2 }), "timed_out");
      assert.equal(result.status === "timed_out" && result.withdrawn, true);
    },
  })),
];
