/** How long to wait before the socket is dialled again. Pure: the caller brings the randomness. */

const FIRST_MS = 2_000;
const LONGEST_MS = 30_000;
const REFUSED_FIRST_MS = 30_000;
const REFUSED_LONGEST_MS = 300_000;

/**
 * Full jitter: a random time from 0 up to `min(30 s, 2 s * 2^n)`, in milliseconds. `n` counts the failures so far, from 0.
 * Full jitter spreads the clients of a platform that has restarted over the whole window.
 */
export function backoffMs(n: number, random: () => number = Math.random): number {
  return random() * doubled(FIRST_MS, n, LONGEST_MS);
}

/**
 * After a refusal that waiting does not mend (`isStandingRefusal`): the upper half of 30 s doubling to 5 min, in milliseconds.
 * Never a hot loop, and never more than 5 min, because a token may be replaced at any time.
 */
export function handshakeBackoffMs(n: number, random: () => number = Math.random): number {
  return (0.5 + random() / 2) * doubled(REFUSED_FIRST_MS, n, REFUSED_LONGEST_MS);
}

/** True for the handshake statuses that name a wrong token, origin or address: 401, 403, 404. */
export function isStandingRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 404;
}

function doubled(first: number, n: number, longest: number): number {
  return Math.min(longest, first * 2 ** Math.max(0, n));
}
