/** Rows 13 to 15: the bridge dies at every point of a stream, never starts, or is there twice. */
import assert from "node:assert/strict";
import { hintSources, untilWatch } from "../../test/support/history.ts";
import type { PartProcess } from "../../test/support/processes.ts";
import { until } from "../../test/support/until.ts";
import type { Field, Stage } from "../field.ts";
import type { Row } from "../row.ts";

/** Goal: heartbeat of 5 s, 1.5 s that a stream gets before the sweep helps out, and half a second for Temporal. */
const TAKEOVER_MS = 7_000;

const untilStreaming = (stage: Stage) =>
  untilWatch(stage.stack.temporal, stage.stack.workspaceId, "streaming", (state) => state.mode === "stream");

async function withWorker(field: Field): Promise<Stage> {
  return await field.stage({ worker: true });
}

/** A bridge that streams, and is to die. */
async function streaming(field: Field): Promise<{ stage: Stage; worker: PartProcess; bridge: PartProcess }> {
  const stage = await field.stage();
  const [worker, bridge] = [stage.process("worker"), stage.process("bridge")];
  await untilStreaming(stage);
  return { stage, worker, bridge };
}

const lists = ({ stack }: Stage) =>
  stack.platform.requests.filter(({ method, path }) => method === "GET" && path.endsWith("/approvals"));

/** Kills the bridge and tells how long it took until somebody listed. */
async function takeover(stage: Stage, kill: () => Promise<void>): Promise<number> {
  const before = lists(stage).length;
  const from = Date.now();
  await kill();
  await stage.stack.platform.until(() => lists(stage).length > before, "a list after the kill");
  return (lists(stage)[before]?.at ?? Infinity) - from;
}

export const BRIDGE_KILLED: readonly Row[] = [
  {
    row: 13,
    name: "SIGKILL of the bridge before it is connected",
    async run(field) {
      const stage = await withWorker(field);
      const { platform } = stage.stack;
      const fault = platform.fault({ method: "GET", path: /^\/ws/, answer: "hang" });
      const bridge = stage.process("bridge");
      await platform.until(() => fault.hits > 0, "a handshake");
      await bridge.kill();
      fault.remove();
      const asked = await stage.askAndWait("open the firewall");
      stage.process("bridge");
      await untilStreaming(stage);
      await stage.grants(asked);
    },
  },
  {
    row: 13,
    name: "SIGKILL of the bridge while it lists",
    async run(field) {
      const stage = await withWorker(field);
      const { platform, workspaceId } = stage.stack;
      const asked = await stage.askAndWait("open the firewall");
      const fault = platform.fault({ method: "GET", path: /\/approvals$/, answer: "hang" });
      const bridge = stage.process("bridge");
      await platform.untilConnected(workspaceId);
      const hits = fault.hits;
      await platform.until(() => fault.hits > hits || hits > 1, "a list of the connected stream");
      stage.decide(asked, "approved", { silent: true });
      await bridge.kill();
      fault.remove();
      await stage.ends(asked, "approved");
    },
  },
  {
    row: 13,
    name: "SIGKILL of the bridge after the platform told it, before it told anybody",
    async run(field) {
      const { stage, bridge } = await streaming(field);
      const asked = await stage.askAndWait("open the firewall");
      // Frozen, so that the event reaches its socket and goes no further.
      bridge.send("SIGSTOP");
      stage.decide(asked);
      const sweep_ms = await takeover(stage, () => bridge.kill());
      await stage.ends(asked, "approved");
      assert.deepEqual(new Set(await hintSources(stage.stack.temporal, asked.handle.workflowId)), new Set(["sweep"]));
      // One more on a busy machine.
      assert.ok(sweep_ms <= TAKEOVER_MS + 1_000, `the sweep took over after ${sweep_ms} ms`);
      return { sweep_ms };
    },
  },
  {
    row: 13,
    name: "SIGKILL of the bridge after its signal, before the workflow has read it",
    async run(field) {
      const { stage, worker, bridge } = await streaming(field);
      const asked = await stage.askAndWait("open the firewall");
      worker.send("SIGSTOP");
      stage.decide(asked);
      await until(
        "the signal",
        async () => (await hintSources(stage.stack.temporal, asked.handle.workflowId)).length > 0,
      );
      await bridge.kill();
      worker.send("SIGCONT");
      stage.up();
      await stage.ends(asked, "approved");
    },
  },
  {
    row: 14,
    name: "a bridge that is never started",
    async run(field) {
      const stage = await withWorker(field);
      const asked = await stage.askAndWait("open the firewall");
      const from = performance.now();
      await stage.grants(asked);
      const decision_ms = Math.round(performance.now() - from);
      assert.deepEqual(new Set(await hintSources(stage.stack.temporal, asked.handle.workflowId)), new Set(["sweep"]));
      return { decision_ms };
    },
  },
  {
    row: 15,
    name: "two bridges, of which the one that streams dies",
    async run(field) {
      const { stage, bridge: first } = await streaming(field);
      const second = stage.process("bridge");
      await second.ready();
      const asked = await stage.askAndWait("open the firewall");
      const [socket] = stage.stack.platform.sockets;
      const from = performance.now();
      await first.kill();
      await stage.stack.platform.until(
        () => stage.stack.platform.sockets.some((one) => one !== socket),
        "the socket of the second bridge",
      );
      const socket_ms = Math.round(performance.now() - from);
      await untilStreaming(stage);
      await stage.grants(asked);
      assert.equal(stage.stack.platform.sockets.length, 1);
      return { socket_ms };
    },
  },
];
