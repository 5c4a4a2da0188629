/** Times in HTTP headers. */

const SHORTEST_MS = 1_000;
const LONGEST_MS = 60_000;
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** A header of the form `Sun, 22 Nov 2026 11:43:18 GMT` (RFC 9110, section 5.6.7) as milliseconds since the epoch. */
export function httpDateMs(header: string | undefined): number | undefined {
  if (header === undefined || !HTTP_DATE.test(header)) return undefined;
  const ms = Date.parse(header);
  return Number.isNaN(ms) ? undefined : ms;
}

/**
 * `Retry-After` (RFC 9110, section 10.2.3) in milliseconds, clamped to 1..60 s: a number of seconds or an HTTP date.
 * A date is measured against `nowMs`, best the answer's own `Date`. Anything else, and no header, is 1 s.
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  const text = header?.trim();
  const date = httpDateMs(text);
  const asked =
    date !== undefined ? date - nowMs : text !== undefined && /^\d+$/.test(text) ? Number(text) * 1_000 : SHORTEST_MS;
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, asked));
}
