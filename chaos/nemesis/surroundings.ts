/** Mischief with sockets and their frames, with files, and by whoever can reach Temporal. */
import { randomBytes } from "node:crypto";
import { rename, rm, symlink, writeFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DECIDED_SIGNAL } from "../../src/domain/names.ts";
import type { FrameFault } from "../../test/support/platform-frames.ts";
import type { PlatformApproval } from "../../test/support/platform-store.ts";
import { meanwhile, noted, type Lane, type Mischief, type Scene } from "./scene.ts";

const FRAMES: readonly (string | Buffer)[] = [
  '{"event":"APPROVAL_APPROVED",',
  "x".repeat(300_000),
  Buffer.from("00ff", "hex"),
  "[".repeat(50_000),
  '{"event":"APPROVAL_APPROVED","payload":{"__proto__":{"approval_id":"x"},"decision":"approved"}}',
  "null",
  "",
];

const frames =
  (does: FrameFault): Mischief =>
  async ({ stage }, move) => {
    const fault = stage.stack.platform.frameFault({ does });
    await meanwhile(move, () => fault.remove());
  };

/** All of ours that is still open. */
function victims({ stage }: Scene): readonly PlatformApproval[] {
  const { platform, workspaceId } = stage.stack;
  return platform.approvals(workspaceId).filter((one) => one.status === "pending" && one.task_id !== "");
}

/** Puts another link in a link's place in one step, so that nobody finds nothing there. */
async function pointTo(link: string, target: string): Promise<void> {
  const next = `${link}.${randomBytes(4).toString("hex")}`;
  await symlink(target, next);
  await rename(next, link);
}

export const SURROUNDINGS: Lane = {
  "sockets dropped": async ({ stage }, { choice }) =>
    stage.stack.platform.dropSockets([undefined, 1001, 1008, 1011][choice % 4]),
  "sockets half-open": async ({ stage }) => stage.stack.platform.freezeSockets(),
  "sockets slow": async ({ stage }, move) => {
    await meanwhile(move, stage.stack.platform.slowSockets(200));
  },
  "events lost": async ({ stage }, move) => {
    stage.stack.platform.eventsOff = true;
    await meanwhile(move, () => (stage.stack.platform.eventsOff = false));
  },
  "events late": async ({ stage }, move) => {
    stage.stack.platform.pauseEvents();
    await meanwhile(move, () => stage.stack.platform.resumeEvents());
  },
  "frames lost": frames("drop"),
  "frames doubled": frames("twice"),
  "frames swapped": frames("swap"),
  "frames late": frames({ delayMs: 700 }),
  "hostile frames": async ({ stage }, { choice }) => {
    stage.stack.platform.send(stage.stack.workspaceId, FRAMES[choice % FRAMES.length] as string | Buffer);
  },
  /** On the true socket, so that only a reading of the list can tell. */
  "-frames forged": async (scene) => {
    const { platform, workspaceId } = scene.stage.stack;
    const reached = victims(scene).map(({ id }) => {
      const payload = { approval_id: id, decided_by: "eve", decision: "approved" };
      return platform.send(
        workspaceId,
        JSON.stringify({ event: "APPROVAL_APPROVED", workspace_id: workspaceId, payload }),
      );
    });
    return reached.some((sockets) => sockets > 0);
  },
  "signals forged": async (scene) => {
    const { temporal } = scene.stage.stack;
    const sent = await Promise.allSettled(
      victims(scene).map(async ({ id, task_id }) => {
        const proof = "0".repeat(64);
        const hint = { approval_id: id, status: "approved", decided_by: "eve", source: "socket", proof };
        const [workflowId = ""] = task_id.split("#");
        const signal = () => temporal.workflow.getHandle(workflowId).signal(DECIDED_SIGNAL, hint);
        await temporal.withDeadline(Date.now() + 1_000, signal);
      }),
    );
    return sent.some(({ status }) => status === "fulfilled");
  },
  /** A start arrives, and its agent does not hear of it. */
  "answers of Temporal lost": async ({ line }, move) => {
    await meanwhile(move, line.loseAnswers());
  },
  "audit log not writable": async ({ auditFolder }, move) => {
    const folder = await readlink(auditFolder);
    // What is no folder can hold no file, not even root's.
    const nowhere = `${folder}.nowhere`;
    await writeFile(nowhere, "");
    await pointTo(auditFolder, nowhere);
    await meanwhile(move, () => pointTo(auditFolder, folder));
  },
  "config.yaml broken": async ({ stage, book }, move) => {
    const path = join(stage.stack.env["WORKSPACE_CONFIG_PATH"] ?? "", "config.yaml");
    await noted(book.config_broken, async () => {
      await writeFile(path, "rbac: [");
      await meanwhile(move, () => rm(path));
    });
  },
  nothing: async (_scene, { lastsMs }) => void (await delay(lastsMs)),
};
