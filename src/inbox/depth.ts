/** Levels that a context may be nested. Far more than a person can read, and far less than what makes JSON.stringify give up. */
export const MAX_DEPTH = 200;

/** Whether a JSON value is nested deeper than `MAX_DEPTH`. Walks level by level, because a deep one would overflow the stack. */
export function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? (Object.values(one) as unknown[]) : []));
  }
  return false;
}
