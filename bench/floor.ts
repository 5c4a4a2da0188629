/** The least that Temporal itself needs: a workflow that ends at its first signal. */
import { condition, defineSignal, setHandler } from "@temporalio/workflow";

export const done = defineSignal("done");

export async function floor(): Promise<void> {
  let signalled = false;
  setHandler(done, () => {
    signalled = true;
  });
  await condition(() => signalled);
}
