/** Rows 32 to 35 and 39: sockets that break, lie dead, or are refused. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { randomUUID } from "node:crypto";
import { WAKE_SIGNAL, WATCH_DECISIONS, watchWorkflowId } from "../../src/domain/names.ts";
import { hintSources, untilWatch } from "../../test/support/history.ts";
import type { Field, Stage } from "../field.ts";
import type { Figures, Row } from "../row.ts";

const handshakes = ({ stack }: Stage) => stack.platform.requests.filter(({ path }) => path.startsWith("/ws"));

async function refused(field: Field, refuse: (stage: Stage) => void, mayHeal: boolean): Promise<Figures> {
  const stage = await field.stage({ worker: true });
  refuse(stage);
  stage.process("bridge");
  const { platform } = stage.stack;
  await platform.until(() => handshakes(stage).length > 0, "a handshake");
  const from = Date.now();
  const asked = await stage.askAndWait("open the door");
  await stage.grants(asked);
  // Long enough for a hot loop to show.
  await delay(Math.max(0, from + 6_000 - Date.now()));
  const count = handshakes(stage).filter(({ at }) => at >= from).length;
  assert.ok(count <= (mayHeal ? 20 : 2), `${count} handshakes in 6 s`);
  return { handshakes_in_6_s: count };
}

async function reconnects(field: Field, clients: number): Promise<Figures> {
  const tokens = Object.fromEntries(Array.from({ length: clients }, () => [randomUUID(), { token: "" }]));
  const stage = await field.stage();
  const { platform, temporal, config, token } = stage.stack;
  // One bridge, one queue, and a watch for each workspace.
  for (const id of Object.keys(tokens)) platform.addWorkspace(id, { token });
  stage.process("worker");
  stage.process("bridge");
  await platform.untilConnected(stage.stack.workspaceId);
  const wake = { poll_interval_seconds: 60, use_websocket: true, heartbeat_seconds: 30 };
  const ids = Object.keys(tokens).map(watchWorkflowId);
  field.after(() => Promise.allSettled(ids.map((id) => temporal.workflow.getHandle(id).terminate())));
  const queue = Object.keys(tokens);
  const lane = async () => {
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      await temporal.workflow.signalWithStart(WATCH_DECISIONS, {
        workflowId: watchWorkflowId(id),
        taskQueue: config.taskQueue,
        args: [{ workspace_id: id }],
        signal: WAKE_SIGNAL,
        signalArgs: [wake],
      });
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  await platform.until(() => platform.sockets.length > clients, "everybody is connected");
  const before = handshakes(stage).length;
  const old = new Set(platform.sockets);
  await platform.restart();
  const from = Date.now();
  await platform.until(
    () => platform.sockets.filter((one) => !old.has(one)).length > clients,
    "everybody is connected again",
  );
  const times = handshakes(stage)
    .slice(before)
    .map(({ at }) => at - from);
  const last_ms = Math.max(...times);
  const slots = new Map<number, number>();
  for (const ms of times) slots.set(Math.floor(ms / 250), (slots.get(Math.floor(ms / 250)) ?? 0) + 1);
  const most = Math.max(...slots.values());
  // A herd would come within one quarter of a second.
  assert.ok(most <= times.length / 2, `${most} of ${times.length} handshakes within 250 ms`);
  return { clients, handshakes: times.length, most_in_250_ms: most, last_ms };
}

export const SOCKET: readonly Row[] = [
  {
    row: 32,
    name: "the socket is dropped every 3 s",
    async run(field) {
      const stage = await field.stage({ worker: true });
      const { platform, workspaceId } = stage.stack;
      stage.process("bridge");
      await platform.untilConnected(workspaceId);
      const dropper = setInterval(() => platform.dropSockets(), 3_000);
      field.after(async () => clearInterval(dropper));
      const from = performance.now();
      let slowest = 0;
      for (let n = 0; performance.now() - from < 15_000; n++) {
        const asked = await stage.askAndWait(`request ${n}`);
        const decidedAt = performance.now();
        await stage.grants(asked);
        slowest = Math.max(slowest, performance.now() - decidedAt);
        await delay(500);
      }
      clearInterval(dropper);
      return { slowest_decision_ms: Math.round(slowest), handshakes: handshakes(stage).length };
    },
  },
  {
    row: 33,
    name: "a half-open socket is found, and what was decided meanwhile is delivered",
    async run(field) {
      const stage = await field.stage({ worker: true });
      const { platform, workspaceId, temporal } = stage.stack;
      stage.process("bridge");
      await untilWatch(temporal, workspaceId, "streaming", (state) => state.mode === "stream");
      const asked = await stage.askAndWait("cross the bridge", { timeoutSeconds: 120 });
      const from = performance.now();
      platform.freezeSockets();
      stage.decide(asked);
      // Found: it dials again, or gives up what it holds.
      await stage.ends(asked, "approved");
      const found_ms = Math.round(performance.now() - from);
      assert.ok(found_ms <= 35_000, `after ${found_ms} ms`);
      return { found_ms };
    },
  },
  {
    row: 34,
    name: "a handshake that is never answered",
    run: (field) => refused(field, ({ stack }) => void stack.platform.fault({ path: /^\/ws/, answer: "hang" }), true),
  },
  ...[401, 403, 404, 429, 503].map((status): Row => ({
    row: 35,
    name: `a handshake that is refused with ${status}`,
    run: (field) => refused(field, ({ stack }) => void (stack.platform.refuseSocket = status), status > 404),
  })),
  {
    row: 35,
    name: "a socket that is closed with 1008 as soon as it is open",
    run: (field) =>
      refused(
        field,
        ({ stack: { platform } }) => {
          const closer = setInterval(() => platform.dropSockets(1008), 50);
          field.after(async () => clearInterval(closer));
        },
        true,
      ),
  },
  {
    row: 39,
    name: "50 clients reconnect after the platform has restarted, spread out",
    alone: true,
    run: (field) => reconnects(field, 50),
  },
  {
    row: 39,
    name: "500 clients reconnect after the platform has restarted, spread out",
    alone: true,
    longOnly: true,
    limitMs: 300_000,
    run: (field) => reconnects(field, 500),
  },
  {
    row: 39,
    name: "a platform that restarts with a decision meanwhile",
    async run(field) {
      const stage = await field.stage({ worker: true });
      const { platform, workspaceId, temporal } = stage.stack;
      stage.process("bridge");
      await platform.untilConnected(workspaceId);
      const asked = await stage.askAndWait("cross the bridge");
      await platform.stop({ keepState: true });
      stage.decide(asked);
      await delay(2_000);
      await platform.start();
      const from = performance.now();
      await stage.ends(asked, "approved");
      const after_up_ms = Math.round(performance.now() - from);
      assert.ok((await hintSources(temporal, asked.handle.workflowId)).length > 0);
      return { after_up_ms };
    },
  },
];
