/** The rate limit of the test platform: a fixed window of a minute. Rules: docs/protocol.md, "Rate limit". */
import type { Answer } from "./platform-faults.ts";
import { json } from "./platform-routes.ts";

const WINDOW_MS = 60_000;
const ANNOUNCED = 600;

export class RateLimit {
  readonly #enforced: number | undefined;
  #windowEnd = 0;
  #used = 0;

  /** Without a number the real platform's 600 are announced, and none is refused. */
  constructor(enforced: number | undefined) {
    this.#enforced = enforced;
  }

  /** Counts a request; the headers that every answer carries. */
  count(): { readonly [name: string]: string } {
    if (performance.now() >= this.#windowEnd) {
      this.#windowEnd = performance.now() + WINDOW_MS;
      this.#used = 0;
    }
    this.#used += 1;
    const limit = this.#enforced ?? ANNOUNCED;
    return {
      "X-RateLimit-Limit": String(limit),
      "X-RateLimit-Remaining": String(Math.max(0, limit - this.#used)),
      "X-RateLimit-Reset": String(this.#secondsLeft()),
    };
  }

  /** The 429 for the request counted last, where it was one too many. */
  refusal(): Answer | undefined {
    if (this.#enforced === undefined || this.#used <= this.#enforced) return undefined;
    const refused = json(429, { error: "rate limit exceeded", retry_after: this.#secondsLeft() });
    return { ...refused, headers: { ...refused.headers, "Retry-After": String(this.#secondsLeft()) } };
  }

  #secondsLeft(): number {
    return Math.max(0, Math.floor((this.#windowEnd - performance.now()) / 1000));
  }
}
