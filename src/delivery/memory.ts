/** A bounded memory of keys, each for a limited time. */
export interface Memory {
  has(key: string): boolean;
  add(key: string): void;
}

/** Keeps the newest `limit` keys, each for `ttlMs` (default: as long as there is room). */
export function createMemory(limit: number, ttlMs = Infinity): Memory {
  const until = new Map<string, number>();
  return {
    has: (key) => (until.get(key) ?? -Infinity) > Date.now(),
    add(key) {
      until.delete(key);
      until.set(key, Date.now() + ttlMs);
      if (until.size > limit) until.delete(until.keys().next().value as string);
    },
  };
}
