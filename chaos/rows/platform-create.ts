/** Rows 20 to 25: what a platform may answer to a creation. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FaultRule } from "../../test/support/platform-faults.ts";
import { untilEvent } from "../../test/support/history.ts";
import { until } from "../../test/support/until.ts";
import type { Field, Stage } from "../field.ts";
import type { Row } from "../row.ts";

/** In spite of the fault there is one approval, and it is granted. */
async function granted(field: Field, fault: Omit<FaultRule, "method" | "path">): Promise<Stage> {
  const stage = await field.stage({ worker: true, bridge: true });
  const met = stage.stack.platform.fault({ ...fault, method: "POST", path: /\/approvals$/ });
  const started = await stage.start("charge the card");
  await untilEvent(stage.stack.temporal, started.handle.workflowId, "timerStartedEventAttributes", 45_000);
  const [approval, ...others] = stage.stack.platform.approvals(stage.stack.workspaceId);
  assert.ok(approval !== undefined && others.length === 0, `${others.length + 1} approvals`);
  assert.ok(met.hits > 0);
  await stage.grants({ ...started, approval });
  return stage;
}

async function failed(field: Field, fault: Omit<FaultRule, "method" | "path">, error: RegExp): Promise<void> {
  const stage = await field.stage({ worker: true, bridge: true });
  stage.stack.platform.fault({ ...fault, method: "POST", path: /\/approvals$/ });
  const result = await stage.ends(await stage.start("charge the card", { timeoutSeconds: 5 }), "failed");
  assert.match(result.status === "failed" ? result.error : "", error);
  assert.deepEqual(stage.stack.platform.approvals(stage.stack.workspaceId), []);
}

const RETRY_AFTER: readonly [string, () => string, boolean][] = [
  ["a number", () => "1", true],
  ["a date", () => new Date(Date.now() + 2_000).toUTCString(), true],
  ["nonsense", () => "soon, I hope", true],
  ["a year", () => "31536000", false],
];

export const PLATFORM_CREATE: readonly Row[] = [
  {
    row: 20,
    name: "the platform is down at a creation, and comes back",
    async run(field) {
      const stage = await field.stage({ worker: true, bridge: true });
      const { platform, workspaceId, temporal } = stage.stack;
      await platform.untilConnected(workspaceId);
      await platform.stop({ keepState: true });
      const started = await stage.start("charge the card");
      await until("an attempt has failed", async () => {
        const { raw } = await temporal.workflow.getHandle(started.handle.workflowId).describe();
        return raw.pendingActivities?.some((one) => (one.attempt ?? 0) >= 1 && one.lastStartedTime != null);
      });
      await platform.start();
      stage.up();
      await stage.grants({ ...started, approval: await platform.nextApproval(workspaceId) });
    },
  },
  {
    row: 20,
    name: "the platform is down for the whole of a request's time",
    async run(field) {
      const stage = await field.stage({ bridge: true });
      // Its start is no part of what is measured.
      await stage.process("worker").ready();
      await stage.stack.platform.stop({ keepState: true });
      await stage.ends(await stage.start("charge the card", { timeoutSeconds: 4 }), "failed");
    },
  },
  {
    row: 21,
    name: "a creation is answered with 500 three times, then well",
    run: async (field) => void (await granted(field, { times: 3, answer: { status: 500 } })),
  },
  {
    row: 22,
    name: "a creation is answered after our timeout",
    run: async (field) => void (await granted(field, { times: 1, when: "after", answer: { delayMs: 12_000 } })),
  },
  {
    row: 23,
    name: "the connection is reset after the platform has taken a creation",
    run: async (field) => void (await granted(field, { times: 1, when: "after", answer: "reset" })),
  },
  ...RETRY_AFTER.map(([what, value, ends]): Row => ({
    row: 24,
    name: `429 with ${what} as Retry-After`,
    async run(field) {
      const answer = { status: 429, headers: { "Retry-After": value() } };
      if (ends) await granted(field, { times: 1, answer });
      else await failed(field, { answer }, /429/);
    },
  })),
  ...[401, 403].map((status): Row => ({
    row: 25,
    name: `a creation is refused with ${status}`,
    run: (field) => failed(field, { answer: { status } }, new RegExp(`^Failed to create request: ${status}$`)),
  })),
  {
    row: 25,
    name: "a token that the platform has rotated is read again",
    async run(field) {
      const file = join(await field.folder(), "token");
      const stage = await field.stage();
      const { platform, workspaceId, token } = stage.stack;
      stage.secret("the-next-token");
      await writeFile(file, token);
      const env = { PLATFORM_TOKEN: "", PLATFORM_TOKEN_FILE: file };
      stage.process("bridge", env);
      stage.process("worker", env);
      const first = await stage.askAndWait("charge the card");
      platform.setToken(workspaceId, "the-next-token");
      stage.decide(first);
      await writeFile(file, "the-next-token");
      await stage.ends(first, "approved");
      await stage.grants(await stage.ask("charge it again"));
    },
  },
];
