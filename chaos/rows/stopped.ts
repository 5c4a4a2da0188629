/** Rows 11 and 12: a process that is told to stop in the middle of something. */
import assert from "node:assert/strict";
import { untilEvent } from "../../test/support/history.ts";
import { until } from "../../test/support/until.ts";
import type { Row } from "../row.ts";

export const STOPPED: readonly Row[] = [
  {
    row: 11,
    name: "SIGTERM in the middle of a REST call",
    async run(field) {
      const stage = await field.stage();
      const parts = [stage.process("worker"), stage.process("bridge")];
      await stage.stack.platform.untilConnected(stage.stack.workspaceId);
      stage.stack.platform.fault({ method: "POST", times: 1, when: "after", answer: { delayMs: 2_000 } });
      const asked = await stage.ask("send the newsletter");
      const from = performance.now();
      for (const part of parts) part.send("SIGTERM");
      const exits = await Promise.all(parts.map((part) => part.exited));
      const stop_ms = Math.round(performance.now() - from);
      assert.deepEqual(
        exits.map(({ code }) => code),
        [0, 0],
      );
      assert.ok(stop_ms <= 10_000, `${stop_ms} ms`);
      stage.decide(asked);
      stage.process("worker");
      stage.process("bridge");
      stage.up();
      await stage.ends(asked, "approved");
      assert.equal(stage.stack.platform.count("POST", "/approvals"), 1, "creations");
      return { stop_ms };
    },
  },
  {
    row: 12,
    name: "SIGTERM twice ends at once, and nothing is lost",
    async run(field) {
      const stage = await field.stage({ bridge: true });
      const worker = stage.process("worker");
      const { platform } = stage.stack;
      const fault = platform.fault({ method: "POST", times: 1, when: "after", answer: "hang" });
      const asked = await stage.ask("send the newsletter");
      assert.equal(fault.hits, 1);
      worker.send("SIGTERM");
      await until("the first was heard", () => worker.stderr().includes("stopping (SIGTERM)"));
      const from = performance.now();
      worker.send("SIGTERM");
      const { code } = await worker.exited;
      const stop_ms = Math.round(performance.now() - from);
      assert.equal(code, 143);
      assert.ok(stop_ms <= 1_000, `${stop_ms} ms`);
      stage.process("worker");
      stage.up();
      await untilEvent(stage.stack.temporal, asked.handle.workflowId, "timerStartedEventAttributes");
      await stage.grants(asked);
      assert.equal(platform.count("POST", "/approvals"), 1, "creations");
      return { stop_ms };
    },
  },
];
