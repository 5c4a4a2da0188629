/** Many requests at once. */
import type { Asked, Stage } from "./field.ts";

/** Starts so many, ten at a time; with `wait` until their timers run. */
export async function askMany(stage: Stage, count: number, timeoutSeconds: number, wait = false): Promise<Asked[]> {
  const all: Asked[] = [];
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < count; n = next++) {
      const options = { timeoutSeconds };
      all.push(await (wait ? stage.askAndWait(`request ${n}`, options) : stage.ask(`request ${n}`, options)));
    }
  };
  await Promise.all(Array.from({ length: 10 }, lane));
  return all;
}

/** Decides every second one otherwise, and waits for all. Returns the milliseconds that it took. */
export async function decideAll(stage: Stage, all: readonly Asked[]): Promise<number> {
  const from = performance.now();
  all.forEach((asked, n) => void stage.decide(asked, n % 2 === 0 ? "approved" : "denied"));
  await Promise.all(all.map((asked, n) => stage.ends(asked, n % 2 === 0 ? "approved" : "denied")));
  return Math.round(performance.now() - from);
}
