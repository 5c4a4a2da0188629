/** What is wrong right now with the parts of one process: the platform, the socket, the audit log, Temporal. */
import { redact } from "./domain/redact.ts";
import type { Log } from "./log.ts";

export interface Health {
  /** Says what is wrong with a part, in words that stay the same as long as the trouble does; `undefined` when it is well. */
  set(part: string, problem: string | undefined): void;
  /** `part: problem`, in the order in which they came up. Empty means healthy. */
  problems(): string[];
}

/**
 * A health that logs every change once: a new or another problem as a warning, its end as information.
 * Problems are told to Temporal and to people, so they are redacted; `secrets` are exact values beside what looks like one.
 */
export function createHealth(log: Pick<Log, "info" | "warn">, secrets: readonly string[] = []): Health {
  const current = new Map<string, string>();
  return {
    set(part, told) {
      const problem = told === undefined ? undefined : redact(told, secrets);
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
