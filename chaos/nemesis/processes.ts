/** Mischief with processes: killed, stopped and frozen, at random times and at named points. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { PartProcess } from "../../test/support/processes.ts";
import { parsedLines } from "../audit-trail.ts";
import type { Stage } from "../field.ts";
import { meanwhile, type Lane, type Mischief, type PartName, type Scene } from "./scene.ts";

/** How long a named point is waited for. */
const POINT_MS = 5_000;
/** A part ends within 10 s of a SIGTERM; on a busy machine a little later. */
const STOP_MS = 15_000;

/** Sends a signal that ends a part. One that outlives it is killed, and complained about. */
async function end(scene: Scene, part: PartProcess, signal: NodeJS.Signals): Promise<void> {
  part.send(signal);
  const gone = await Promise.race([part.exited.then(() => true), delay(STOP_MS, false, { ref: false })]);
  if (gone) return;
  scene.complaints.push(
    `a process was still there ${STOP_MS / 1_000} s after its ${signal}; it said: ${part.stderr()}`,
  );
  await part.kill();
}

/** Ends a part, by a signal, and starts it again when the move is over. */
async function replace(scene: Scene, name: PartName, signal: NodeJS.Signals, restMs: number): Promise<void> {
  const part = scene.parts.get(name);
  // From here on it is not meant to be up.
  scene.parts.delete(name);
  if (part !== undefined) await end(scene, part, signal);
  await delay(restMs);
  scene.launch(name);
}

const ended =
  (name: PartName, signal: NodeJS.Signals): Mischief =>
  (scene, { lastsMs }) =>
    replace(scene, name, signal, lastsMs);

const frozen =
  (name: PartName): Mischief =>
  async ({ parts }, move) => {
    const part = parts.get(name);
    part?.send("SIGSTOP");
    await meanwhile({ ...move, lastsMs: move.lastsMs * 2 }, () => part?.send("SIGCONT"));
  };

/** A part that is killed as soon as something has happened. */
const endedWhen =
  (name: PartName, point: (stage: Stage) => () => boolean): Mischief =>
  async (scene, { lastsMs }) => {
    if (!(await comes(point(scene.stage)))) return false;
    await replace(scene, name, "SIGKILL", lastsMs);
    return true;
  };

/** Watches as closely as it can. False where it does not come. */
async function comes(happened: () => boolean): Promise<boolean> {
  const limit = performance.now() + POINT_MS;
  while (performance.now() < limit) {
    if (happened()) return true;
    await delay(1);
  }
  return false;
}

const decisions = ({ stack }: Stage) =>
  stack.platform.approvals(stack.workspaceId).filter(({ status }) => status !== "pending").length;

const finals = ({ stack }: Stage): number => {
  try {
    const lines = parsedLines(readFileSync(stack.config.audit.path, "utf8"));
    return lines.filter(({ outcome }) => outcome !== "requested").length;
  } catch {
    // Somebody else has its folder right now.
    return 0;
  }
};

/** True from the moment at which there is more of something. */
const more = (count: (stage: Stage) => number) => (stage: Stage) => {
  let before = count(stage);
  return () => {
    const now = count(stage);
    const grown = now > before;
    before = now;
    return grown;
  };
};

async function withoutTemporal(
  { stage, temporal }: Scene,
  lastsMs: number,
  end: "kill" | "stop" = "kill",
): Promise<void> {
  await temporal[end]();
  await delay(lastsMs);
  await temporal.start();
  stage.up();
}

export const PROCESSES: Lane = {
  "worker killed": ended("worker", "SIGKILL"),
  "bridge killed": ended("bridge", "SIGKILL"),
  "worker stopped": ended("worker", "SIGTERM"),
  "bridge stopped": ended("bridge", "SIGTERM"),
  "worker frozen": frozen("worker"),
  "bridge frozen": frozen("bridge"),
  "worker killed at a decision": endedWhen("worker", more(decisions)),
  "bridge killed at a decision": endedWhen("bridge", more(decisions)),
  "worker killed at a final record": endedWhen("worker", more(finals)),
  "worker killed at a creation": async (scene, { lastsMs }) => {
    const { platform } = scene.stage.stack;
    const killed = new Promise<boolean>((resolve) => {
      // The approval stands, and the 201 has not left yet.
      platform.onCreate = async () => {
        platform.onCreate = undefined;
        const worker = scene.parts.get("worker");
        scene.parts.delete("worker");
        await worker?.kill();
        resolve(true);
      };
    });
    await Promise.race([killed, delay(POINT_MS, false, { ref: false })]);
    platform.onCreate = undefined;
    const hit = !scene.parts.has("worker");
    if (hit) await replace(scene, "worker", "SIGKILL", lastsMs);
    return hit;
  },
  "a second worker": async (scene, { lastsMs }) => {
    const second = scene.stage.process("worker");
    await delay(lastsMs * 2);
    await end(scene, second, "SIGTERM");
  },
  "Temporal killed": (scene, { lastsMs }) => withoutTemporal(scene, lastsMs),
  "Temporal stopped": (scene, { lastsMs }) => withoutTemporal(scene, lastsMs, "stop"),
  "Temporal killed at a decision": async (scene, { lastsMs }) => {
    if (!(await comes(more(decisions)(scene.stage)))) return false;
    await withoutTemporal(scene, lastsMs);
    return true;
  },
  "Temporal frozen": async ({ stage, temporal }, move) => {
    temporal.send("SIGSTOP");
    await meanwhile(move, () => {
      temporal.send("SIGCONT");
      stage.up();
    });
  },
};
