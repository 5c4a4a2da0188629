/** A wire to an HTTP server, which can be cut after the server has answered and before its caller hears of it. */
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface Wire {
  readonly url: string;
  /** Hears of every answer before its caller does, and with true keeps the answer to itself and cuts the connection. */
  cuts: ((asked: IncomingMessage, status: number) => Promise<boolean>) | undefined;
  /** Requests that came with this method and a path with this end. */
  count(method: string, end: string): number;
}

interface Scope {
  after(clean: () => Promise<unknown>): void;
}

/** For requests and answers; a socket needs its own way. */
export async function startWire(scope: Scope, target: string): Promise<Wire> {
  const seen: { readonly method: string; readonly path: string }[] = [];
  const forward = async (asked: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "", url: path = "/", headers } = asked;
    seen.push({ method, path });
    const { host: _, ...rest } = headers;
    const onward = request(new URL(path, target), { method, headers: rest, agent: false });
    onward.end(await buffer(asked));
    const [answer] = (await once(onward, "response")) as [IncomingMessage];
    const body = await buffer(answer);
    if ((await wire.cuts?.(asked, answer.statusCode ?? 0)) === true) return void asked.socket.resetAndDestroy();
    response.writeHead(answer.statusCode ?? 502, answer.headers).end(body);
  };
  const server = createServer((asked, response) => {
    // The server at the other end is gone, and so is what was asked of it.
    forward(asked, response).catch(() => asked.socket.resetAndDestroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.after(async () => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const wire: Wire = {
    url: `http://127.0.0.1:${port}`,
    cuts: undefined,
    count: (method, end) => seen.filter((one) => one.method === method && one.path.endsWith(end)).length,
  };
  return wire;
}
