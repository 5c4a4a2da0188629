/** Rows 20 and 39, with our own inbox as the platform: it dies with an approval or a decision in hand, and comes back on its folder. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { untilEvent } from "../../test/support/history.ts";
import type { PlatformApproval } from "../../test/support/platform-store.ts";
import type { Stage } from "../field.ts";
import { onInbox, type InboxProcess } from "../inbox-process.ts";
import type { Row } from "../row.ts";
import { startWire } from "../wire.ts";

const LIMIT_MS = 180_000;

/** Starts so many requests, and waits until each has its approval in the inbox and its timer. */
async function askAll(stage: Stage, inbox: InboxProcess, count: number) {
  const started = await Promise.all(
    Array.from({ length: count }, (_, n) => stage.start(`request ${n}`, { timeoutSeconds: 120 })),
  );
  for (const { handle } of started) {
    await untilEvent(stage.stack.temporal, handle.workflowId, "timerStartedEventAttributes", 60_000);
  }
  return { started, pending: await inbox.approvals() };
}

/** A person's one try. */
async function decide(stage: Stage, inbox: InboxProcess, { id }: PlatformApproval): Promise<"taken" | "unknown"> {
  const attempt = await inbox.decide(id, "approved");
  stage.tried(attempt);
  return attempt.known === "taken" ? "taken" : "unknown";
}

export const INBOX: readonly Row[] = [
  {
    row: 20,
    name: "SIGKILL of the inbox when it has stored an approval and the worker has not heard of it",
    limitMs: LIMIT_MS,
    async run(field) {
      const { inbox, stage } = await onInbox(field);
      const wire = await startWire(field, inbox.url);
      const killed = new Promise<void>((resolve) => {
        wire.cuts = async (asked, status) => {
          if (asked.method !== "POST" || status !== 201) return false;
          wire.cuts = undefined;
          await inbox.end("SIGKILL");
          resolve();
          return true;
        };
      });
      stage.process("bridge");
      stage.process("worker", { PLATFORM_URL: wire.url });
      const started = await stage.start("charge the card", { timeoutSeconds: 120 });
      await killed;
      const from = performance.now();
      await inbox.start();
      stage.up();
      const start_ms = Math.round(performance.now() - from);
      await untilEvent(stage.stack.temporal, started.handle.workflowId, "timerStartedEventAttributes", 60_000);
      const [approval, ...others] = await inbox.approvals();
      assert.ok(approval !== undefined && others.length === 0, "exactly one approval");
      assert.equal(wire.count("POST", "/approvals"), 1, "creations");
      assert.equal(await decide(stage, inbox, approval), "taken");
      await stage.ends(started, "approved");
      return { inbox_start_ms: start_ms };
    },
  },
  {
    row: 39,
    name: "SIGKILL of the inbox when it has taken a decision, 2 s down",
    limitMs: LIMIT_MS,
    async run(field) {
      const { inbox, stage } = await onInbox(field);
      for (const part of ["worker", "bridge"] as const) stage.process(part);
      const { started, pending } = await askAll(stage, inbox, 1);
      const [approval] = pending;
      assert.ok(approval !== undefined);
      assert.equal(await decide(stage, inbox, approval), "taken");
      await inbox.end("SIGKILL");
      await delay(2_000);
      await inbox.start();
      stage.up();
      const from = performance.now();
      for (const one of started) await stage.ends(one, "approved");
      return { after_up_ms: Math.round(performance.now() - from) };
    },
  },
  {
    row: 39,
    name: "SIGTERM of the inbox while people decide",
    limitMs: LIMIT_MS,
    async run(field) {
      const { inbox, stage } = await onInbox(field);
      for (const part of ["worker", "bridge"] as const) stage.process(part);
      const { started, pending } = await askAll(stage, inbox, 20);
      assert.equal(pending.length, 20);
      const queue = [...pending];
      const first: string[] = [];
      const stop = async () => {
        const from = performance.now();
        assert.equal(await inbox.end("SIGTERM"), 0);
        return Math.round(performance.now() - from);
      };
      let stopping: Promise<number> | undefined;
      const person = async () => {
        for (let approval = queue.pop(); approval !== undefined; approval = queue.pop()) {
          first.push(await decide(stage, inbox, approval));
          if (first.length >= 5) stopping ??= stop();
        }
      };
      await Promise.all([person(), person(), person()]);
      const stop_ms = await stopping;
      assert.ok(stop_ms !== undefined);
      await inbox.start();
      stage.up();
      // What nobody was told of is settled by looking: still pending is decided again.
      for (const approval of await inbox.approvals()) {
        if (approval.status === "pending") assert.equal(await decide(stage, inbox, approval), "taken");
      }
      for (const one of started) await stage.ends(one, "approved");
      return { stop_ms, decisions_answered: first.filter((known) => known === "taken").length };
    },
  },
  {
    row: 39,
    name: "SIGSTOP of the inbox while a person decides, who gives up before it goes on",
    limitMs: LIMIT_MS,
    async run(field) {
      const { inbox, stage } = await onInbox(field);
      for (const part of ["worker", "bridge"] as const) stage.process(part);
      const { started, pending } = await askAll(stage, inbox, 1);
      const [approval] = pending;
      assert.ok(approval !== undefined);
      inbox.command.send("SIGSTOP");
      assert.equal(await decide(stage, inbox, approval), "unknown");
      inbox.command.send("SIGCONT");
      stage.up();
      const from = performance.now();
      // Nobody was told, and the decision had arrived.
      for (const one of started) await stage.ends(one, "approved");
      return { after_up_ms: Math.round(performance.now() - from) };
    },
  },
];
