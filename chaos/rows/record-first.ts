/** Row 5 at its worst: the grant is on disk, its worker is dead, and nobody can read the platform again before the time is over. */
import assert from "node:assert/strict";
import { until } from "../../test/support/until.ts";
import type { Row } from "../row.ts";

export const RECORD_FIRST: readonly Row[] = [
  {
    row: 5,
    name: "SIGKILL of the worker between the audit write and its completion, and the platform is down beyond the deadline",
    limitMs: 120_000,
    async run(field) {
      const temporal = await field.temporal();
      const stage = await field.stage({ bridge: true, env: { TEMPORAL_ADDRESS: temporal.address } });
      stage.allow(120_000);
      const { platform } = stage.stack;
      const worker = stage.process("worker");
      const asked = await stage.askAndWait("merge the branch", { timeoutSeconds: 10 });
      // The answer of the reading finds Temporal frozen: the worker writes its record, and can tell nobody.
      const reading = platform.fault({ method: "GET", path: /\?ids=/, when: "after", answer: { delayMs: 1_500 } });
      stage.decide(asked);
      await platform.until(() => reading.hits > 0, "the worker reads");
      temporal.send("SIGSTOP");
      await until("the final record", () => stage.stack.audit().some((line) => line.outcome === "granted"));
      await worker.kill();
      reading.remove();
      const down = platform.fault({ path: /\/approvals/, answer: { status: 503 } });
      temporal.send("SIGCONT");
      stage.process("worker");
      const { workflowId } = asked.handle;
      await until(
        "the reading that goes on after all deadlines",
        async () => {
          const { raw } = await stage.stack.temporal.workflow.getHandle(workflowId).describe();
          return raw.pendingActivities?.some((one) => one.activityType?.name === "confirmDecision");
        },
        90_000,
      );
      down.remove();
      stage.up();
      const told = await asked.result;
      assert.equal(told.status, "approved", "the grant on disk, now that the platform confirms it");
    },
  },
];
