/**
 * One HTTP exchange with limits. node:http and not `fetch`, because it never follows a redirect, sends Origin as given,
 * and lets us know whether a failed request may have reached the other side.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { causeText } from "./cause.ts";

export interface Call {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  readonly body?: string;
  /** The body is read only of an answer with this status; of any other the status says all. */
  readonly readBodyOf: number;
  /** Limit of the body after decompression, in bytes. */
  readonly maxBytes: number;
  /** `performance.now()` at which the whole exchange, body included, is cut off. */
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
}

export type Outcome =
  /** `body` is absent where it was not wanted, or where `problem` says why it could not be taken. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly body?: Buffer;
      readonly problem?: string;
    }
  /** No whole answer. `sent` is false only where the connection was never opened, so that the other side cannot have heard us. */
  | { readonly kind: "failure"; readonly sent: boolean; readonly cause: string };

type Attempt = Outcome & { readonly stale?: boolean };

/** Carries out exchanges with one origin. */
export interface Exchanger {
  /** Never rejects. An abort is a failure with the cause "cancelled", one by `AbortSignal.timeout` the same as our own limit. */
  exchange(call: Call): Promise<Outcome>;
}

/**
 * Idle connections are kept for GET alone: one that the server is just closing would make a POST look as if it may have arrived.
 * They hold no process.
 */
export function createExchanger(secure: boolean): Exchanger {
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  return {
    async exchange(call) {
      if (call.method === "POST") return attempt(call, secure, false);
      const first = await attempt(call, secure, agent);
      return first.stale === true ? attempt(call, secure, false) : first;
    },
  };
}

const TOO_LATE = "no complete answer in time";

function isTimeout(reason: unknown): boolean {
  return reason instanceof Error && reason.name === "TimeoutError";
}

function attempt(call: Call, secure: boolean, agent: HttpAgent | HttpsAgent | false): Promise<Attempt> {
  return new Promise((resolve) => {
    let request: ClientRequest | undefined;
    let opened = false;
    let answered = false;
    const fail = (cause: string, stale = false) =>
      finish({ kind: "failure", sent: opened, cause, ...(stale ? { stale } : {}) });
    const onAbort = () => fail(isTimeout(call.signal?.reason) ? TOO_LATE : "cancelled");
    const remaining = Math.max(0, call.deadline - performance.now());
    const timer = setTimeout(() => fail(TOO_LATE), remaining);

    function finish(result: Attempt, keepConnection = false): void {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", onAbort);
      resolve(result);
      if (!keepConnection) request?.destroy();
    }

    if (call.signal?.aborted === true) return onAbort();
    call.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      request = (secure ? httpsRequest : httpRequest)(call.url, { method: call.method, headers: call.headers, agent });
    } catch (error) {
      return fail(causeText(error));
    }
    const sending = request;
    sending.on("socket", (socket) => {
      if (sending.reusedSocket) opened = true;
      else socket.once(secure ? "secureConnect" : "connect", () => (opened = true));
    });
    sending.on("error", (error) => fail(causeText(error), sending.reusedSocket && !answered));
    // An answer that switches protocols ends without an error and without a response.
    sending.on("close", () => {
      if (!answered) fail("the connection was closed without an answer");
    });
    sending.on("response", (response) => {
      answered = true;
      const answer = { kind: "answer", status: response.statusCode ?? 0, headers: response.headers } as const;
      response.on("error", (error) => fail(causeText(error)));
      response.on("close", () => {
        if (!response.complete) fail("the answer was cut off");
      });
      if (answer.status !== call.readBodyOf) return finish(answer);
      readBody(response, call.maxBytes, (body) => finish({ ...answer, ...body }, body.problem === undefined));
    });
    sending.end(call.body);
  });
}

/** Calls back once, with the body or with what is wrong with it; not at all where the connection breaks. */
function readBody(
  response: IncomingMessage,
  maxBytes: number,
  done: (result: { body?: Buffer; problem?: string }) => void,
): void {
  const encoding = response.headers["content-encoding"]?.toLowerCase() ?? "identity";
  let source: Readable = response;
  if (encoding === "gzip") {
    source = response.pipe(createGunzip());
    source.on("error", () => done({ problem: "the body is not the gzip it claims to be" }));
  } else if (encoding !== "identity") {
    return done({ problem: "the body is compressed in a way that was not asked for" });
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  source.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) return void chunks.push(chunk);
    // What listens here outlives the answer for a while: it must not hold what was read so far.
    chunks.length = 0;
    source.destroy();
    done({ problem: `the body is larger than ${maxBytes} bytes` });
  });
  source.on("end", () => done({ body: Buffer.concat(chunks) }));
}
