/** Guesses that an address may make in a window of a minute. */
const MAX_BAD = 10;
const WINDOW_MS = 60_000;
/** Addresses to remember; a flood from more than that makes the oldest forgotten. */
const MAX_ADDRESSES = 10_000;

/** Counts wrong tokens by address. */
export interface BadTokens {
  /** Seconds until the address may guess again; `undefined` while it may. */
  waitSeconds(address: string): number | undefined;
  count(address: string): void;
}

/** `now` is in milliseconds. */
export function createBadTokens(now: () => number = () => performance.now()): BadTokens {
  const windows = new Map<string, { readonly endsMs: number; bad: number }>();
  return {
    waitSeconds(address) {
      const window = windows.get(address);
      if (window === undefined || window.bad < MAX_BAD) return undefined;
      const leftMs = window.endsMs - now();
      return leftMs > 0 ? Math.ceil(leftMs / 1_000) : undefined;
    },
    count(address) {
      const window = windows.get(address);
      if (window !== undefined && window.endsMs > now()) {
        window.bad += 1;
        return;
      }
      windows.delete(address);
      const [oldest] = windows.keys();
      if (oldest !== undefined && windows.size >= MAX_ADDRESSES) windows.delete(oldest);
      windows.set(address, { endsMs: now() + WINDOW_MS, bad: 1 });
    },
  };
}
