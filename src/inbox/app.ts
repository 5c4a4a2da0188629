import helmet from "@fastify/helmet";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyServerOptions } from "fastify";
import { messageOf } from "../domain/errors.ts";
import { decodeUtf8, parseJson } from "../platform/json.ts";
import type { InboxLog } from "./log.ts";
import { refuse } from "./refusal.ts";

/** The largest legal request has 76 KiB of text, and a task id. */
const MAX_BODY = 128 * 1024;
/** Every header of a request together: the largest legal one is `?ids=` with 200 of them, in the request line. */
const MAX_HEADERS = 16 * 1024;
const MAX_CONNECTIONS = 1000;
const SERVER_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: MAX_HEADERS,
};

/** A certificate and its key, PEM. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** Fastify with the inbox's limits and headers, and every error in the platform's form. */
export async function createApp(log: InboxLog, tls: Tls | undefined): Promise<FastifyInstance> {
  const options: FastifyServerOptions & { https?: object } = {
    bodyLimit: MAX_BODY,
    requestTimeout: SERVER_LIMITS.requestTimeout,
    exposeHeadRoutes: false,
    // A legal workspace id has up to 128 characters.
    routerOptions: { maxParamLength: 128 },
    ...(tls === undefined ? { http: SERVER_LIMITS } : { https: { ...SERVER_LIMITS, ...tls } }),
  };
  // A server of TLS is used like the other; Fastify's types would make two of everything.
  const app = Fastify(options as FastifyServerOptions);
  app.server.maxConnections = MAX_CONNECTIONS;

  // First of all, so that refusals have the headers too.
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        // The socket of the page's own origin is part of 'self' (CSP level 3).
        "connect-src": ["'self'"],
        "img-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "require-trusted-types-for": ["'script'"],
      },
    },
    referrerPolicy: { policy: "no-referrer" },
    frameguard: { action: "deny" },
    strictTransportSecurity: tls !== undefined,
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>("application/json", { parseAs: "buffer" }, async (_request: unknown, body: Buffer) =>
    parse(body),
  );

  app.setNotFoundHandler((_request, reply) => reply.code(404).type("text/plain").send("404 page not found"));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status === 413)
      return refuse(reply, { status, error: `the request body is over ${MAX_BODY} bytes; shorten it` });
    if (status === 415) return refuse(reply, { status, error: "the request body must be sent as application/json" });
    if (status < 500) return refuse(reply, { status, error: "invalid request body" });
    log.error(
      { method: request.method, route: request.routeOptions.url, error: messageOf(error) },
      "could not answer a request",
    );
    return refuse(reply, { status: 500, error: "the inbox could not read or keep approvals; see its log" });
  });
  return app;
}

/**
 * The JSON value of a body; `undefined`, which no route takes, for anything else. Strict about bytes and keys:
 * a person must see the text that the agent sent, and no two readers may see different decisions in one body.
 */
function parse(body: Buffer): unknown {
  try {
    return parseJson(decodeUtf8(body));
  } catch {
    return undefined;
  }
}
