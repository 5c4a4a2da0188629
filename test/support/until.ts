import { setTimeout as delay } from "node:timers/promises";

/** Asks again until the answer is neither `undefined` nor `false`, and returns it. Rejects after the limit, naming `what`. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 30_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() >= end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await delay(40);
  }
}
