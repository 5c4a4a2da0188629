import Fastify, { type FastifyError, type FastifyInstance } from "fastify";
import { messageOf } from "../domain/errors.ts";
import { decodeUtf8, parseJson } from "../platform/json.ts";
import type { InboxLog } from "./log.ts";
import { refuse } from "./routes.ts";

/** The largest legal request has 76 KiB of text, and a task id. */
const MAX_BODY = 128 * 1024;
const MAX_CONNECTIONS = 1000;

/** Fastify with the inbox's limits, and every error in the platform's form. */
export function createApp(log: InboxLog): FastifyInstance {
  const app = Fastify({
    bodyLimit: MAX_BODY,
    requestTimeout: 30_000,
    exposeHeadRoutes: false,
    // A legal workspace id has up to 128 characters.
    routerOptions: { maxParamLength: 128 },
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 5_000 },
  });
  app.server.maxConnections = MAX_CONNECTIONS;

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
