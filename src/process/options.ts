import type { Log } from "../log.ts";

/** How a long-running part is run, be it a process of its own or a part of `countersign up`. */
export interface ProcessOptions {
  /** Ends it in good order: no new tasks, then at most 8 s for those at hand. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Called when it takes tasks, also after an outage. */
  readonly onReady?: () => void;
}
