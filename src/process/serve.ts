/** Runs a Temporal worker until it is told to stop, with something beside it for as long as it runs. */
import type { Worker } from "@temporalio/worker";

/**
 * Resolves when the worker has drained, rejects when it failed.
 * `beside` is given a signal that fires when the worker ends; it may return earlier.
 */
export async function serve(
  worker: Worker,
  signal: AbortSignal,
  beside: (ended: AbortSignal) => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const stop = () => {
    ended.abort();
    if (worker.getState() === "RUNNING") worker.shutdown();
  };
  const running = worker.run();
  const company = beside(ended.signal);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    await running;
  } finally {
    signal.removeEventListener("abort", stop);
    ended.abort();
    await company;
  }
}
