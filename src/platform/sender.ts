/** Requests with everything the platform wants to see in a header (docs/protocol.md, "Authentication"). */
import { createExchanger, type Call, type Outcome } from "./exchange.ts";
import type { TokenSource } from "./token.ts";

export interface Credentials {
  readonly token: TokenSource;
  /** Sent as `Origin`. */
  readonly origin?: string | undefined;
  /** Sent as `X-Molecule-Org-Id`. */
  readonly orgId?: string | undefined;
}

export interface Sender {
  /**
   * Never rejects. A 401 or 403 makes it read the token file again and, where that brought another token, ask once more,
   * inside the same time limit.
   */
  send(call: Omit<Call, "headers" | "deadline">): Promise<Outcome>;
}

export function createSender(secure: boolean, credentials: Credentials, timeoutMs: number): Sender {
  const exchanger = createExchanger(secure);
  return {
    async send(call) {
      const deadline = performance.now() + timeoutMs;
      const ask = (token: string | undefined) =>
        exchanger.exchange({
          ...call,
          headers: { ...bodyHeaders(call.body), ...credentialHeaders(credentials, token) },
          deadline,
        });
      const token = credentials.token.current();
      const outcome = await ask(token);
      if (outcome.kind !== "answer" || !isAuthRefusal(outcome.status)) return outcome;
      await credentials.token.reread();
      // Compared with what was sent: another call may have read the new token in between.
      const fresh = credentials.token.current();
      return fresh === token ? outcome : ask(fresh);
    },
  };
}

/** True where another token may help: 401 and 403. */
export function isAuthRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

/** The headers that say who asks. The scheme is case-sensitive on the platform. */
export function credentialHeaders(credentials: Credentials, token: string | undefined): { [name: string]: string } {
  return {
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(credentials.origin === undefined ? {} : { Origin: credentials.origin }),
    ...(credentials.orgId === undefined ? {} : { "X-Molecule-Org-Id": credentials.orgId }),
  };
}

function bodyHeaders(body: string | undefined): { [name: string]: string } {
  const always = { Accept: "application/json", "Accept-Encoding": "gzip", "User-Agent": "countersign" };
  if (body === undefined) return always;
  return { ...always, "Content-Type": "application/json", "Content-Length": String(Buffer.byteLength(body)) };
}
