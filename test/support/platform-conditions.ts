/** Waiting for a state of the test platform without sleeping: a predicate is asked again after every change. */

interface Waiter {
  readonly predicate: () => boolean;
  readonly settle: (error?: Error) => void;
}

export class Conditions {
  readonly #waiters = new Set<Waiter>();

  /**
   * Resolves as soon as the predicate holds.
   * Rejects after 20 s, naming `what`, and with whatever the predicate throws.
   */
  until(predicate: () => boolean, what: () => string, limitMs = 20_000): Promise<void> {
    const met = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => waiter.settle(new Error(`not within ${limitMs} ms: ${what()}`)), limitMs);
      const waiter: Waiter = {
        predicate,
        settle: (error) => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#waiters.add(waiter);
      ask(waiter);
    });
    // A test may fail before it comes to await this; that must not end the process as an unhandled rejection.
    met.catch(() => {});
    return met;
  }

  changed(): void {
    for (const waiter of this.#waiters) ask(waiter);
  }

  abandon(why: string): void {
    for (const waiter of this.#waiters) waiter.settle(new Error(why));
  }
}

function ask(waiter: Waiter): void {
  try {
    if (waiter.predicate()) waiter.settle();
  } catch (error) {
    waiter.settle(error instanceof Error ? error : new Error(String(error)));
  }
}
