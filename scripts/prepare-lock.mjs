import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** Runs `work` while no other process prepares the same clone: `npm start` beside `npm test` must not install twice at once. */
export async function withPrepareLock(path, say, work) {
  let waiting = false;
  while (!take(path)) {
    const pid = holder(path);
    if (pid !== undefined && !isAlive(pid)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!waiting) say(`process ${pid ?? "?"} is preparing this folder; waiting for it`);
    waiting = true;
    await delay(200);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** A link appears with its content, so that no one ever reads a lock without a pid. */
function take(path) {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, String(process.pid));
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function holder(path) {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
