/** Serves the page of src/inbox/page: a few static files, all of them named here, none of them secret. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

export interface PageParts {
  /** Whether the request carries a reviewer's session. Without one `/` tells how to get a login link. */
  readonly isSignedIn: (request: FastifyRequest) => boolean | Promise<boolean>;
}

/** The pages that stand in for the real one: no session (401), and a login code that is used, unknown or over its time (403). */
export type Notice = "signed-out" | "bad-code";

const NOTICE_STATUS: Readonly<Record<Notice, number>> = { "signed-out": 401, "bad-code": 403 };
const PAGE = fileURLToPath(new URL("./page/", import.meta.url));
const DOMAIN = fileURLToPath(new URL("../domain/", import.meta.url));

/** Everything a browser may have beyond the page's own files: the paths keep the imports of the modules relative. */
const MODULES: Readonly<Record<string, string>> = {
  "/assets/domain/visible.js": `${DOMAIN}visible.js`,
  "/assets/inbox/page/vendor/preact.mjs": fileURLToPath(import.meta.resolve("preact")),
  "/assets/inbox/page/vendor/htm.mjs": fileURLToPath(import.meta.resolve("htm")),
};
const OWN_FILE = /^\/[a-z-]+\.(?:js|css|svg)$/;

/**
 * Adds `GET /` and `GET /assets/*`. Headers that hold for every answer (CSP and the like) are the server's.
 * An unbuilt page gives 404 for the assets; `npm run build` builds it.
 */
export function addPage(app: FastifyInstance, { isSignedIn }: PageParts): void {
  void app.register(fastifyStatic, {
    root: PAGE,
    prefix: "/assets/inbox/page/",
    index: false,
    // Revalidated by its ETag, so that a new version is seen at the next load.
    cacheControl: false,
    setHeaders: (reply) => void reply.header("cache-control", "no-cache"),
    allowedPath: (path) => OWN_FILE.test(path.slice(path.lastIndexOf("/"))),
  });
  for (const [url, path] of Object.entries(MODULES)) {
    const body = lazily(() => readFileSync(path));
    app.get(url, async (_request, reply) =>
      reply.type("text/javascript; charset=utf-8").header("cache-control", "no-cache").send(body()),
    );
  }
  app.get("/", async (request, reply) =>
    (await isSignedIn(request)) ? sendHtml(reply, 200, "index") : sendNotice(reply, "signed-out"),
  );
}

/** Answers with a small page that says what is wrong and what to do. */
export function sendNotice(reply: FastifyReply, notice: Notice): FastifyReply {
  return sendHtml(reply, NOTICE_STATUS[notice], notice);
}

function sendHtml(reply: FastifyReply, status: number, name: string): FastifyReply {
  return reply
    .code(status)
    .type("text/html; charset=utf-8")
    .header("cache-control", "no-store")
    .send(readFileSync(`${PAGE}${name}.html`));
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
