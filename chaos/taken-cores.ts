/** A machine whose cores are taken by others. */
import { Worker } from "node:worker_threads";
import type { Field } from "./field.ts";

/** So many threads that only spin, until the row is over. */
export function takeCores(field: Field, threads: number): void {
  for (let n = 0; n < threads; n++) {
    const thread = new Worker("for (;;);", { eval: true });
    field.after(() => thread.terminate());
  }
}
