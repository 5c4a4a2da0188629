/** How a long-running command is stopped: SIGINT or SIGTERM once for good order, twice for at once. */
import { EXIT } from "./exit-codes.ts";
import type { Io } from "./io.ts";

export interface Stop {
  /** Fires at the first signal. */
  readonly signal: AbortSignal;
  /** What stopped it; `undefined` as long as nothing has. */
  by(): StopSignal | undefined;
  /** No longer listens; Node's own handling ends the process at the next signal. */
  release(): void;
}

export type StopSignal = "SIGINT" | "SIGTERM";

/** 128 + the number of the signal, as shells count. */
const EXIT_AT_ONCE = { SIGINT: EXIT.interrupted, SIGTERM: 143 } as const;
/** One Ctrl-C arrives twice under npm: from the terminal, and passed on. */
const SAME_KEY_MS = 200;

/**
 * Listens from now on. A second signal ends the process at once, with 130 or 143; so does a first one that has not led
 * to `release` within `limitMs`, with 3 and a line that says so.
 */
export function listenForStop(io: Io, name: string, limitMs: number): Stop {
  const stopping = new AbortController();
  let by: StopSignal | undefined;
  let atMs = 0;
  let limit: NodeJS.Timeout | undefined;

  const onSignal = (received: StopSignal): void => {
    if (by !== undefined) {
      if (received === "SIGINT" && by === "SIGINT" && performance.now() - atMs < SAME_KEY_MS) return;
      process.exit(EXIT_AT_ONCE[received]);
    }
    by = received;
    atMs = performance.now();
    io.err(`countersign ${name}: stopping (${received}); a second signal ends it at once`);
    limit = setTimeout(() => {
      io.err(`countersign ${name}: not stopped within ${limitMs / 1_000} s; ended anyway, what was at hand is retried`);
      process.exit(EXIT.failure);
    }, limitMs);
    stopping.abort();
  };
  const onInterrupt = (): void => onSignal("SIGINT");
  const onTerminate = (): void => onSignal("SIGTERM");
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onTerminate);
  return {
    signal: stopping.signal,
    by: () => by,
    release() {
      clearTimeout(limit);
      process.removeListener("SIGINT", onInterrupt);
      process.removeListener("SIGTERM", onTerminate);
    },
  };
}
