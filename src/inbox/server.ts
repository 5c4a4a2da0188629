import type { AddressInfo } from "node:net";
import { ApprovalError } from "../domain/errors.ts";
import { addApiRoutes } from "./api-routes.ts";
import { createApp, type Tls } from "./app.ts";
import { createBadTokens } from "./bad-tokens.ts";
import { createCallers } from "./callers.ts";
import { followChanges } from "./changes.ts";
import { DEFAULT_GRACE_MS, startExpiry } from "./expiry.ts";
import { SILENT, type InboxLog } from "./log.ts";
import { addOperatorRoutes } from "./operator-routes.ts";
import { addPage } from "./page-routes.ts";
import { refuse } from "./refusal.ts";
import { addRoutes } from "./routes.ts";
import { isLoopback, sitesOf, type Binding, type Sites } from "./sites.ts";
import { createSockets } from "./sockets.ts";
import type { Storage } from "./storage.ts";
import { createUpgrade } from "./upgrade.ts";

const STOP_GRACE_MS = 1000;

export interface InboxOptions {
  /** 0 takes any free port. */
  readonly port: number;
  /** Any but `127.0.0.1`, `localhost` (taken as 127.0.0.1) and `::1` needs `tls` or `insecureHttp`. @default "127.0.0.1" */
  readonly host?: string | undefined;
  /** @default none: plain http */
  readonly tls?: Tls | undefined;
  /** Whether plain http may leave the machine, where everyone on the way can read and change it. @default false */
  readonly insecureHttp?: boolean | undefined;
  /** Another address under which it is reached, such as a proxy's: `https://inbox.example.com`. @default none */
  readonly publicUrl?: string | undefined;
  /** The caller's, who closes it after `stop`. */
  readonly storage: Storage;
  /** Lets who has it make and revoke tokens over HTTP. @default nobody */
  readonly operatorToken?: string | undefined;
  /** @default none */
  readonly log?: InboxLog | undefined;
  /** The clock behind every time the inbox tells, `Date` header included: milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined;
  /** How long after its `expires_at` a pending approval is denied by `auto-expired`. @default 60000 */
  readonly expiryGraceMs?: number | undefined;
  /** A client that leaves a ping unanswered until the next one is cut off. @default 30000 */
  readonly pingIntervalMs?: number | undefined;
}

export interface Inbox {
  /** What PLATFORM_URL takes, and a browser. */
  readonly url: string;
  /** The same on this machine, whatever the public address is. */
  readonly localUrl: string;
  readonly port: number;
  /** A link that logs the reviewer of this token in, once and within ten minutes; `undefined` for any other token's id. */
  createLoginUrl(tokenId: string): Promise<string | undefined>;
  /** Closes the sockets with 1001, lets answers under way finish for a second, and leaves nothing open but the storage. */
  stop(): Promise<void>;
}

/**
 * Starts a platform of our own: REST, WebSocket and web page on one port (docs/protocol.md, docs/inbox.md).
 * Throws ApprovalError ERR_CONFIG for a host beyond loopback without protection, for a wrong public URL or certificate,
 * and where the port cannot be had (`cause` says why).
 */
export async function startInbox(options: InboxOptions): Promise<Inbox> {
  const { port, host = "127.0.0.1", storage, tls, publicUrl, log = SILENT, now = Date.now } = options;
  checkBinding(options, host);
  let sites = sitesOf({ host, port, secure: tls !== undefined, publicUrl });
  const { approvals: store, tokens, logins } = storage;
  const badTokens = createBadTokens();
  const ownSites = (): Sites => sites;
  const callers = createCallers({ tokens, logins, badTokens, sites: ownSites });
  const sockets = createSockets({ pingIntervalMs: options.pingIntervalMs ?? 30_000, log });
  let stopping: Promise<void> | undefined;

  const app = await appOf(log, tls);
  app.addHook("onRequest", async (request, reply) => {
    const problem = sites.problemOf(request.raw);
    if (problem !== undefined) return refuse(reply, problem);
  });
  app.addHook("onSend", async (_request, reply) => {
    reply.header("date", new Date(now()).toUTCString());
  });
  addRoutes(app, { store, callers, log, now });
  addApiRoutes(app, { store, callers, logins, badTokens, sites: ownSites });
  addPage(app, { isSignedIn: ({ raw }) => callers.isSignedIn(raw) });
  if (options.operatorToken !== undefined)
    addOperatorRoutes(app, { operatorToken: options.operatorToken, tokens, logins, badTokens });

  const changes = await followChanges(storage, sockets, log);
  const unavailable = (): string | undefined => {
    if (stopping !== undefined) return "the inbox is stopping; connect again later";
    return changes.isHearing() ? undefined : "the inbox cannot hear of changes now; connect again later";
  };
  app.server.on("upgrade", createUpgrade({ callers, sites: ownSites, sockets, log, unavailable }));

  try {
    await app.listen({ port, host: host === "localhost" ? "127.0.0.1" : host });
  } catch (cause) {
    await Promise.all([sockets.close(), app.close(), changes.stop()]);
    throw new ApprovalError("ERR_CONFIG", `the inbox cannot listen on ${host} port ${port}; choose another port`, {
      cause,
    });
  }
  const binding: Binding = {
    host,
    port: (app.server.address() as AddressInfo).port,
    secure: tls !== undefined,
    publicUrl,
  };
  sites = sitesOf(binding);
  const stopExpiry = startExpiry(options.expiryGraceMs ?? DEFAULT_GRACE_MS, { store, log, now });

  const stop = async () => {
    stopExpiry();
    const force = setTimeout(() => app.server.closeAllConnections(), STOP_GRACE_MS);
    await Promise.all([sockets.close(), app.close()]);
    await changes.stop();
    clearTimeout(force);
  };
  return {
    url: sites.url,
    localUrl: sites.localUrl,
    port: binding.port,
    async createLoginUrl(tokenId) {
      const code = await logins.createCode(tokenId);
      return code === undefined ? undefined : `${sites.url}/login?code=${code}`;
    },
    stop: () => (stopping ??= stop()),
  };
}

function checkBinding({ tls, insecureHttp }: InboxOptions, host: string): void {
  if (isLoopback(host) || tls !== undefined || insecureHttp === true) return;
  throw new ApprovalError(
    "ERR_CONFIG",
    `the inbox cannot listen on ${JSON.stringify(host)} without TLS: tokens and approvals could be read and changed on the way; give --tls-cert and --tls-key, or --insecure-http where the network is safe, or listen on loopback`,
  );
}

async function appOf(log: InboxLog, tls: Tls | undefined): ReturnType<typeof createApp> {
  try {
    return await createApp(log, tls);
  } catch (cause) {
    if (tls === undefined) throw cause;
    throw new ApprovalError("ERR_CONFIG", "the inbox's TLS certificate and key cannot be used; check both PEM files", {
      cause,
    });
  }
}
