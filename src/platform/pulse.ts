/** The heartbeat of a socket: the platform never pings and never notices a dead connection, so we do (docs/protocol.md, "Socket"). */
import type { WebSocket } from "ws";

export interface Pulse {
  /** True where something was heard within two intervals. */
  isAlive(): boolean;
  stop(): void;
}

/**
 * Pings every interval, the first time at a random point of it, so that many clients do not ping at once. Any message, ping or pong is
 * life; `onSilence` is called once, after an interval that began with a ping and brought none.
 */
export function startPulse(socket: WebSocket, intervalMs: number, onSilence: () => void): Pulse {
  let lastLife = performance.now();
  let stopped = false;
  let timer = setTimeout(beat, Math.random() * intervalMs);
  for (const sign of ["message", "ping", "pong"]) socket.on(sign, () => (lastLife = performance.now()));

  function beat(): void {
    const pingedAt = performance.now();
    socket.ping();
    timer = setTimeout(() => {
      // After a stall of this process the timer comes before the pong that waits in the socket's buffer, so that is read first.
      setImmediate(() => {
        if (stopped) return;
        if (lastLife >= pingedAt) beat();
        else onSilence();
      });
    }, intervalMs);
  }

  return {
    isAlive: () => !stopped && performance.now() - lastLife <= 2 * intervalMs,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
