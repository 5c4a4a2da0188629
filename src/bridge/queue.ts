/** A bounded queue of work with a few workers: a flood of events must cost neither memory nor a flood of calls. */
export interface Queue<T> {
  /** False where the queue is full. */
  add(item: T): boolean;
  clear(): void;
}

/** `work` must not reject. */
export function createQueue<T>(work: (item: T) => Promise<void>, limit = 10_000, workers = 16): Queue<T> {
  const waiting: T[] = [];
  let busy = 0;
  const run = async (): Promise<void> => {
    busy++;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
    busy--;
  };
  return {
    add(item) {
      if (waiting.length >= limit) return false;
      waiting.push(item);
      if (busy < workers) void run();
      return true;
    },
    clear: () => void waiting.splice(0),
  };
}
