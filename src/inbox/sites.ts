/** The names under which an inbox may be spoken to. Any other is refused on every route: a page may reach loopback by a name of its own (DNS rebinding). */
import type { IncomingMessage } from "node:http";
import { networkInterfaces } from "node:os";
import { ApprovalError } from "../domain/errors.ts";
import type { Refusal } from "./refusal.ts";

const LOOPBACK: readonly string[] = ["127.0.0.1", "localhost", "::1"];
const ANY: readonly string[] = ["0.0.0.0", "::"];

export interface Binding {
  readonly host: string;
  readonly port: number;
  /** Whether the inbox itself speaks TLS. */
  readonly secure: boolean;
  /** Under which others reach it, by a proxy or a name of the network: `https://inbox.example.com`. */
  readonly publicUrl?: string | undefined;
}

export interface Sites {
  /** The inbox's own address: the public one where there is one. */
  readonly url: string;
  /** Where it listens, as a URL for programs on this machine. */
  readonly localUrl: string;
  /** Refuses a Host that is not this inbox (421) and an Origin that is another site's (403). A client that sends no Origin is no page. */
  problemOf(request: IncomingMessage): Refusal | undefined;
  /** The origin of a page of ours that sends this request; only for a Host that `problemOf` lets pass. */
  originOf(request: IncomingMessage): string;
}

export function isLoopback(host: string): boolean {
  return LOOPBACK.includes(host);
}

/** The sites of a listening inbox. Throws ERR_CONFIG for a public URL that is not an origin. */
export function sitesOf({ host, port, secure, publicUrl }: Binding): Sites {
  const scheme = secure ? "https" : "http";
  const names = ANY.includes(host) ? [...LOOPBACK, ...ownAddresses()] : isLoopback(host) ? LOOPBACK : [host];
  const usual = port === (secure ? 443 : 80);
  const origins = new Map<string, string>();
  for (const name of names) {
    const shown = bracketed(name).toLowerCase();
    origins.set(`${shown}:${port}`, `${scheme}://${shown}${usual ? "" : `:${port}`}`);
    if (usual) origins.set(shown, `${scheme}://${shown}`);
  }
  if (publicUrl !== undefined) {
    const origin = publicOrigin(publicUrl);
    origins.set(new URL(origin).host, origin);
  }
  const named = ANY.includes(host) || host === "localhost" ? "127.0.0.1" : host;
  const localUrl = `${scheme}://${bracketed(named)}:${port}`;
  const url = publicUrl === undefined ? localUrl : publicOrigin(publicUrl);
  const allowed = new Set(origins.values());
  return {
    url,
    localUrl,
    problemOf({ headers, headersDistinct }) {
      const hosts = headersDistinct["host"] ?? [];
      if (hosts.length !== 1 || !origins.has((hosts[0] as string).toLowerCase()))
        return { status: 421, error: `this inbox answers only to its own names; use ${url}` };
      if (headers.origin !== undefined && !allowed.has(headers.origin))
        return { status: 403, error: "requests from another origin are refused; send the inbox's own Origin or none" };
      return undefined;
    },
    originOf: ({ headers }) => origins.get((headers.host ?? "").toLowerCase()) ?? url,
  };
}

function publicOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin;
  throw new ApprovalError(
    "ERR_CONFIG",
    "the inbox's public URL must be http or https, a host and perhaps a port, such as https://inbox.example.com",
  );
}

function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).filter(({ internal }) => !internal).map(({ address }) => address),
  );
}

function bracketed(name: string): string {
  return name.includes(":") ? `[${name}]` : name;
}
