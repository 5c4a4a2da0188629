import { spawn } from "node:child_process";

/**
 * Ends the process `pid` when this process ends, also by SIGKILL: a shell waits on a pipe that only we hold.
 * Answers the release. Without a shell (Windows) there is no guard, and an unclean end of ours leaves the process running.
 */
export function guard(pid: number): () => void {
  // The traps: a signal for a whole process group must not end the guard before what it guards.
  const shell = spawn("sh", ["-c", 'trap "" INT TERM HUP; read -r _; kill -9 "$0"', String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  shell.once("error", () => {});
  shell.stdin.once("error", () => {});
  shell.unref();
  return () => {
    shell.kill("SIGKILL");
    shell.stdin.destroy();
  };
}
