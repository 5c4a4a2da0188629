/** Rows 36 to 38: frames that lie, frames that are no frames, and very many frames. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { untilWatch } from "../../test/support/history.ts";
import type { Field, Stage } from "../field.ts";
import { memoryMb } from "../memory.ts";
import type { Figures, Row } from "../row.ts";

const GROWTH_MB = 50;

function decision(workspace_id: string, approval_id: string, status = "approved", timestamp = new Date()): string {
  const event = status === "approved" ? "APPROVAL_APPROVED" : "APPROVAL_DENIED";
  const payload = { approval_id, decided_by: "eve", decision: status };
  return JSON.stringify({ event, workspace_id, timestamp: timestamp.toISOString(), payload });
}

async function streaming(field: Field) {
  const stage = await field.stage({ worker: true });
  const bridge = stage.process("bridge");
  const { temporal, workspaceId } = stage.stack;
  await untilWatch(temporal, workspaceId, "streaming", (state) => state.mode === "stream");
  return { stage, bridge };
}

/** A raw connection to the bridge, behind the platform's own framing. */
function wire({ stack }: Stage): Socket | undefined {
  return (stack.platform.sockets[0]?.raw as unknown as { readonly _socket?: Socket } | undefined)?._socket;
}

const HEADER_OF_2_62 = Buffer.from([0x81, 127, 0x40, 0, 0, 0, 0, 0, 0, 0]);
const FRAGMENTS = Buffer.concat([
  Buffer.from([0x01, 0]),
  ...Array.from({ length: 100_000 }, () => Buffer.from([0x00, 0])),
]);

/** Each leaves the bridge able to hear the next true decision. */
const HOSTILE: readonly [string, (stage: Stage, id: string) => void][] = [
  ["bad JSON", ({ stack }) => void stack.platform.send(stack.workspaceId, '{"event":"APPROVAL_APPROVED",')],
  [
    "duplicate keys",
    ({ stack }, id) =>
      void stack.platform.send(
        stack.workspaceId,
        decision(stack.workspaceId, id).replace('"decision":', '"decision":"denied","decision":'),
      ),
  ],
  [
    "binary",
    ({ stack }, id) => void stack.platform.send(stack.workspaceId, Buffer.from(decision(stack.workspaceId, id))),
  ],
  ["bad UTF-8", (stage) => void wire(stage)?.write(Buffer.from([0x81, 2, 0xc3, 0x28]))],
  ["a header that claims 2^62 bytes", (stage) => void wire(stage)?.write(HEADER_OF_2_62)],
  ["100,000 fragments", (stage) => void wire(stage)?.write(FRAGMENTS)],
  ["a deflate bomb that nobody agreed on", (stage) => void wire(stage)?.write(Buffer.from([0xc1, 2, 0x4b, 0x04]))],
  [
    "__proto__",
    ({ stack }, id) =>
      void stack.platform.send(
        stack.workspaceId,
        `{"__proto__":{"event":"APPROVAL_APPROVED"},"workspace_id":"${stack.workspaceId}","payload":{"__proto__":{"approval_id":"${id}"},"decision":"approved"}}`,
      ),
  ],
  ["a frame of 1 MiB", ({ stack }) => void stack.platform.send(stack.workspaceId, "x".repeat(1_048_576))],
];

async function flood(field: Field, seconds: number): Promise<Figures> {
  const { stage, bridge } = await streaming(field);
  const { platform, workspaceId } = stage.stack;
  const asked = await stage.askAndWait("listen to one voice");
  const before = memoryMb(bridge.pid);
  let sent = 0;
  const from = performance.now();
  while (performance.now() - from < seconds * 1_000) {
    // As many as are due by now, at 5,000 a second; a slow machine sends fewer and says so.
    for (const due = Math.min(((performance.now() - from) / 1_000) * 5_000, sent + 500); sent < due; sent++) {
      platform.send(workspaceId, decision(workspaceId, randomUUID()));
    }
    await delay(20);
  }
  const per_second = Math.round(sent / ((performance.now() - from) / 1_000));
  const decidedAt = performance.now();
  await stage.grants(asked);
  const decision_ms = Math.round(performance.now() - decidedAt);
  const rss_growth_mb = memoryMb(bridge.pid) - before;
  assert.ok(rss_growth_mb < GROWTH_MB, `${rss_growth_mb} MB`);
  return { seconds, per_second, decision_ms, rss_growth_mb };
}

export const FRAMES: readonly Row[] = [
  {
    row: 36,
    name: "a decision told 100 times, the contrary one before and after it, and one that is a year old",
    async run(field) {
      const { stage } = await streaming(field);
      const { platform, workspaceId } = stage.stack;
      const asked = await stage.askAndWait("say it once");
      const { id } = asked.approval;
      const tell = (status: string, at?: Date) => platform.send(workspaceId, decision(workspaceId, id, status, at));
      tell("approved", new Date(Date.now() - 365 * 86_400_000));
      tell("denied");
      for (let i = 0; i < 50; i++) tell("approved");
      const reads = () => platform.count("GET", "?ids=");
      await platform.until(() => reads() > 0, "a reading");
      stage.decide(asked, "denied", { by: "bob" });
      for (let i = 0; i < 50; i++) tell(i % 2 === 0 ? "denied" : "approved");
      const result = await stage.ends(asked, "denied");
      assert.equal(result.status === "denied" && result.decided_by, "bob");
      assert.ok(reads() <= 8, `${reads()} readings`);
      return { readings: reads() };
    },
  },
  {
    row: 37,
    name: "hostile frames, each followed by a true decision",
    async run(field) {
      const { stage, bridge } = await streaming(field);
      const { platform, workspaceId } = stage.stack;
      const before = memoryMb(bridge.pid);
      for (const [name, send] of HOSTILE) {
        const asked = await stage.askAndWait(name);
        await platform.untilConnected(workspaceId);
        send(stage, asked.approval.id);
        stage.decide(asked, "denied", { by: "bob" });
        await stage.ends(asked, "denied");
      }
      const rss_growth_mb = memoryMb(bridge.pid) - before;
      assert.ok(rss_growth_mb < GROWTH_MB, `${rss_growth_mb} MB`);
      return { frames: HOSTILE.length, rss_growth_mb };
    },
  },
  { row: 38, name: "5,000 events a second, for 5 s", alone: true, run: (field) => flood(field, 5) },
  {
    row: 38,
    name: "5,000 events a second, for 30 s",
    alone: true,
    longOnly: true,
    limitMs: 120_000,
    run: (field) => flood(field, 30),
  },
];
