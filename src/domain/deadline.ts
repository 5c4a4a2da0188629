/** When a decision is in time. Both times are the platform's; the workflow's own clock only helps where they are missing. */

const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** An RFC 3339 time in milliseconds since the epoch, with its microseconds as a fraction; `undefined` for anything else. */
export function parseTime(text: string | undefined): number | undefined {
  const match = text === undefined ? null : RFC_3339.exec(text);
  if (match === null) return undefined;
  const seconds = Date.parse(`${match[1]}T${match[2]}${(match[4] as string).toUpperCase()}`);
  return Number.isNaN(seconds) ? undefined : seconds + Number(match[3] ?? 0) * 1000;
}

export interface Window {
  readonly timeout_ms: number;
  /** The grace: one poll interval. It only judges; the timer runs the timeout. */
  readonly poll_interval_ms: number;
  /** Workflow time at which the timer ends. */
  readonly deadline_ms: number;
  /** Workflow time of the task in which the platform was read. */
  readonly read_at_ms: number;
}

export type Lateness = "after_deadline" | "time_unknown";

/**
 * Why a decision is late; `undefined` where it is in time.
 * In time is `decided_at - created_at <= timeout + poll interval`. Where a time is missing, unreadable or reversed,
 * a decision is in time only if it was read at most one poll interval after the deadline.
 */
export function lateness(
  item: { readonly created_at?: string; readonly decided_at?: string },
  window: Window,
): Lateness | undefined {
  const created = parseTime(item.created_at);
  const decided = parseTime(item.decided_at);
  if (created !== undefined && decided !== undefined && decided >= created) {
    return decided - created <= window.timeout_ms + window.poll_interval_ms ? undefined : "after_deadline";
  }
  return window.read_at_ms <= window.deadline_ms + window.poll_interval_ms ? undefined : "time_unknown";
}

/** The last moment at which a decision counted, RFC 3339, by the platform's clock; `undefined` where the platform's times did not judge it. */
export function lastMoment(
  item: { readonly created_at?: string; readonly decided_at?: string },
  window: Pick<Window, "timeout_ms" | "poll_interval_ms">,
): string | undefined {
  const created = parseTime(item.created_at);
  const decided = parseTime(item.decided_at);
  if (created === undefined || decided === undefined || decided < created) return undefined;
  const last = new Date(Math.ceil(created + window.timeout_ms + window.poll_interval_ms));
  return Number.isNaN(last.getTime()) ? undefined : last.toISOString();
}
