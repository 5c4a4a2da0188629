/** Times pass between SQL and us as microseconds since the epoch: whole numbers that a double holds exactly. */

/** SQL for the column's time as microseconds. */
export function microseconds(column: string): string {
  return `(extract(epoch from ${column}) * 1000000)::float8`;
}

/** SQL for the timestamp that a parameter names in microseconds; null stays null. */
export function timestamp(parameter: string): string {
  return `('epoch'::timestamptz + ${parameter}::float8 * interval '1 microsecond')`;
}
