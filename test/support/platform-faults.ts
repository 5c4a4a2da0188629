/** Misbehaviour of the test platform, by rule: which requests, how often, and what happens instead of the answer. */
import { STATUS_CODES } from "node:http";
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

export interface Answer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  readonly body: string | Buffer;
}

export type FaultAnswer =
  | { readonly status: number; readonly headers?: { readonly [name: string]: string }; readonly body?: string | Buffer }
  /** The connection is reset. */
  | "reset"
  /** No answer, and the connection stays. */
  | "hang"
  /** The usual answer, so much later. With `when: "before"` the state changes later too. */
  | { readonly delayMs: number }
  /** Bytes per second: the usual answer where `when` is "after", else blanks without an end. */
  | { readonly drip: number }
  /** A 200 with a body of so many bytes. */
  | { readonly stream: number }
  /** A reset after so many bytes of the body: of the usual one where `when` is "after", else of one that only begins. */
  | { readonly cut: number };

export interface FaultRule {
  readonly method?: string;
  /** Matched against the path with its query; a handshake is `GET /ws`. */
  readonly path?: RegExp;
  /** So many matching requests; all of them by default. */
  readonly times?: number;
  /** "before" (default): nothing happens on the platform. "after": the state has changed, only the answer is lost. */
  readonly when?: "before" | "after";
  readonly answer: FaultAnswer;
}

export interface Fault {
  /** How many requests it has met. */
  readonly hits: number;
  remove(): void;
}

export class Faults {
  readonly #rules = new Set<{ readonly rule: FaultRule; hits: number }>();

  add(rule: FaultRule): Fault {
    const entry = { rule, hits: 0 };
    this.#rules.add(entry);
    return {
      get hits() {
        return entry.hits;
      },
      remove: () => void this.#rules.delete(entry),
    };
  }

  /** The oldest rule that matches, counted as used. */
  take(method: string, path: string): FaultRule | undefined {
    for (const entry of this.#rules) {
      const { rule } = entry;
      if (entry.hits >= (rule.times ?? Infinity)) continue;
      if (rule.method !== undefined && rule.method !== method) continue;
      if (rule.path !== undefined && path.search(rule.path) === -1) continue;
      entry.hits += 1;
      return rule;
    }
    return undefined;
  }
}

/** Answers a request wrongly. `usual` is the true answer where the request was carried out. A delay is the caller's. */
export function misbehave(
  fault: Exclude<FaultAnswer, { readonly delayMs: number }>,
  response: ServerResponse,
  usual: Answer | undefined,
): void {
  if (fault === "hang") return;
  if (fault === "reset") response.socket?.resetAndDestroy();
  else if ("status" in fault) response.writeHead(fault.status, fault.headers).end(fault.body);
  else if ("drip" in fault) drip(response, fault.drip, usual);
  else if ("cut" in fault) cut(response, fault.cut, usual);
  else stream(response, fault.stream);
}

/** Writes an HTTP answer on a connection that asked for an upgrade. */
export function refuseUpgrade(connection: Duplex, answer: Answer): void {
  const length = String(Buffer.byteLength(answer.body));
  const headers = Object.entries({ ...answer.headers, "content-length": length, connection: "close" });
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  connection.write(`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? "Unknown"}\r\n${head}\r\n`);
  connection.end(answer.body);
}

function drip(response: ServerResponse, bytesPerSecond: number, usual: Answer | undefined): void {
  const body = usual === undefined ? undefined : Buffer.from(usual.body);
  response.writeHead(usual?.status ?? 200, usual?.headers ?? { "content-type": "application/json; charset=utf-8" });
  const step = Math.max(1, Math.round(bytesPerSecond / 20));
  let sent = 0;
  const timer = setInterval(
    () => {
      response.write(body?.subarray(sent, sent + step) ?? " ".repeat(step));
      sent += step;
      if (body !== undefined && sent >= body.length) response.end();
    },
    (1000 * step) / bytesPerSecond,
  );
  response.on("close", () => clearInterval(timer));
}

function cut(response: ServerResponse, bytes: number, usual: Answer | undefined): void {
  const body = Buffer.from(usual?.body ?? `[{"id":"${"0".repeat(bytes)}`);
  const headers = usual?.headers ?? { "content-type": "application/json; charset=utf-8" };
  // A length that is never reached: what came is known to be a part.
  response.writeHead(usual?.status ?? 200, { ...headers, "content-length": Math.max(body.length, bytes + 1) });
  response.write(body.subarray(0, bytes), () => response.socket?.resetAndDestroy());
}

function stream(response: ServerResponse, bytes: number): void {
  const chunk = Buffer.alloc(64 * 1024, " ");
  let left = bytes;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      if (!response.write(part)) return;
    }
    response.end();
  };
  response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
  response.on("drain", more);
  more();
}
