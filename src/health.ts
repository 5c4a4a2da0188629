/** What is wrong right now with the parts of one process: the platform, the socket, the audit log, Temporal. */
import type { Log } from "./log.ts";

export interface Health {
  /** Says what is wrong with a part, in words that stay the same as long as the trouble does; `undefined` when it is well. */
  set(part: string, problem: string | undefined): void;
  /** `part: problem`, in the order in which they came up. Empty means healthy. */
  problems(): string[];
}

/** A health that logs every change once: a new or another problem as a warning, its end as information. */
export function createHealth(log: Pick<Log, "info" | "warn">): Health {
  const current = new Map<string, string>();
  return {
    set(part, problem) {
      if (current.get(part) === problem) return;
      if (problem === undefined) {
        current.delete(part);
        log.info({ part }, `${part} is well again`);
        return;
      }
      current.set(part, problem);
      log.warn({ part, problem }, `${part} is in trouble: ${problem}`);
    },
    problems: () => [...current].map(([part, problem]) => `${part}: ${problem}`),
  };
}
