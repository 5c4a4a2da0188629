/** A connection that carries only so many bytes a second, from the test platform to its client. */
import type { Socket } from "node:net";

const TICK_MS = 50;

/** Takes effect at once and in order: whatever is written from now on drips. Returns what lifts it and lets the rest go. */
export function throttle(connection: Socket, bytesPerSecond: number): () => void {
  const step = Math.max(1, Math.round((bytesPerSecond * TICK_MS) / 1_000));
  const write = connection.write.bind(connection);
  let waiting = Buffer.alloc(0);
  const timer = setInterval(() => {
    if (waiting.length === 0) return;
    write(waiting.subarray(0, step));
    waiting = waiting.subarray(step);
  }, TICK_MS);
  const slow = (chunk: Buffer | string, ...rest: readonly unknown[]): boolean => {
    waiting = Buffer.concat([waiting, Buffer.from(chunk)]);
    // The writer only wants to know that it may go on.
    const done = rest.find((one) => typeof one === "function") as (() => void) | undefined;
    if (done !== undefined) process.nextTick(done);
    return true;
  };
  connection.write = slow;
  const stop = (): void => clearInterval(timer);
  connection.once("close", stop);
  return () => {
    stop();
    connection.off("close", stop);
    connection.write = write;
    if (waiting.length > 0 && !connection.destroyed) write(waiting);
  };
}
