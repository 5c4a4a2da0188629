/** Recorded traffic of the real platform, and the means to replay it against the test platform and compare. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { WebSocket } from "ws";

type Headers = { readonly [name: string]: string | number };

export interface Exchange {
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers?: Headers;
    readonly body?: unknown;
  };
  readonly response: { readonly status: number; readonly headers?: Headers; readonly body: unknown };
}

export type Frame = { readonly text: string } | { readonly control: string; readonly data: string };

export interface RecordedSocket {
  readonly name: string;
  readonly handshake: {
    readonly headers: { readonly [name: string]: string };
    readonly status: number;
    readonly response_headers?: Headers;
    readonly body?: unknown;
  };
  readonly frames: readonly Frame[];
}

export interface Recording {
  readonly workspaces: { readonly [name: string]: { readonly id: string; readonly parent_id: string | null } };
  readonly http: readonly Exchange[];
  readonly ws: readonly RecordedSocket[];
  readonly sse: readonly { readonly name: string }[];
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

export function readRecording(): Recording {
  const file = new URL("../../../test/fixtures/recorded-platform.json", import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as Recording;
}

/**
 * Sends a request as it was recorded. The recording abbreviates one: a long text as `<1048576 x A>`, its headers not at
 * all; `headers` are those.
 */
export async function send(url: string, recorded: Exchange["request"], headers: Headers = {}): Promise<Answered> {
  const asked = request(new URL(recorded.path, url), {
    method: recorded.method,
    headers: { ...(recorded.headers ?? headers) },
    agent: false,
  });
  const body = typeof recorded.body === "string" ? recorded.body : JSON.stringify(recorded.body);
  asked.end(body?.replace("<1048576 x A>", "A".repeat(1_048_576)));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  return answered(response);
}

export interface Client {
  /** Undefined where the handshake was refused. */
  readonly socket: WebSocket | undefined;
  readonly handshake: Answered;
  readonly frames: Frame[];
  /** Pings, and resolves when the pong is among the frames: whatever was sent before has arrived then. */
  ping(data: string): Promise<void>;
}

export async function connect(url: string, headers: { readonly [name: string]: string }): Promise<Client> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws`, { headers, perMessageDeflate: false });
  const frames: Frame[] = [];
  // A platform that stops cuts its sockets; "close" says so.
  socket.on("error", () => {});
  socket.on("message", (data: Buffer) => void frames.push({ text: data.toString("utf8") }));
  socket.on("pong", (data: Buffer) => void frames.push({ control: "pong", data: data.toString("utf8") }));
  const refused = once(socket, "unexpected-response") as Promise<[unknown, IncomingMessage]>;
  const upgraded = once(socket, "upgrade") as Promise<[IncomingMessage]>;
  const [response] = await Promise.race([upgraded, refused.then(([, response]) => [response] as const)]);
  // The loser of the race would reject with the error of a socket that is cut later.
  refused.catch(() => {});
  upgraded.catch(() => {});
  if (response.statusCode !== 101) return { socket: undefined, handshake: await answered(response), frames, ping };
  if (socket.readyState !== WebSocket.OPEN) await once(socket, "open");
  return { socket, handshake: { status: 101, headers: response.headers, body: undefined }, frames, ping };

  async function ping(data: string): Promise<void> {
    const pong = once(socket, "pong");
    socket.ping(data);
    await pong;
  }
}

/**
 * A body or frame as text to compare, keys in their order, with our ids replaced by the recorded ones.
 * A time becomes `<time>` only where it is RFC 3339 in UTC with no more fraction digits than the platform gives.
 */
export function comparable(value: unknown, ids: ReadonlyMap<string, string> = new Map()): string {
  const masked = JSON.stringify(value, (key, part: unknown) => {
    const digits = { created_at: 6, decided_at: 6, timestamp: 9 }[key];
    if (digits === undefined || typeof part !== "string") return part;
    const pattern = new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,${digits}})?Z$`);
    return pattern.test(part) ? "<time>" : part;
  });
  return [...ids].reduce((known, [ours, theirs]) => known.replaceAll(ours, theirs), masked ?? "nothing");
}

async function answered(response: IncomingMessage): Promise<Answered> {
  const body = await text(response);
  const isJson = response.headers["content-type"]?.startsWith("application/json") === true;
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: isJson ? (JSON.parse(body) as unknown) : body,
  };
}
