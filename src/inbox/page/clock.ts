/** Time by the inbox's clock: a deadline must not depend on how well this machine's clock is set. */

/** The Date header has whole seconds; within this the machine's own clock is the better one. */
const TOLERANCE_MS = 2_000;

let offsetMs = 0;

export function serverNow(): number {
  return Date.now() + offsetMs;
}

/** Learns from an answer's Date header; `askedAtMs` is when the question was sent. */
export function setServerTime(date: string | null, askedAtMs: number): void {
  const serverMs = Date.parse(date ?? "");
  if (Number.isNaN(serverMs)) return;
  const offset = serverMs + 500 - (askedAtMs + Date.now()) / 2;
  offsetMs = Math.abs(offset) < TOLERANCE_MS ? 0 : offset;
}

/** "4:32", "2 h 05 min" or "3 d 4 h": rounded up to the second, and "0:00" when over. */
export function remaining(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600), Math.floor(seconds / 60)];
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${two(minutes % 60)} min`;
  return `${minutes}:${two(seconds % 60)}`;
}

/** A time of day, with the date where it is not today's. */
export function clockTime(time: string | null): string {
  if (time === null) return "";
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const today = date.toDateString() === new Date(serverNow()).toDateString();
  return today
    ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })
    : date.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
