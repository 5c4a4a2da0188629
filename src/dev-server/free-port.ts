import { createServer } from "node:net";

/** A TCP port of 127.0.0.1 that was free a moment ago: the first free one from `from` on (at most 100 tried), or any. */
export async function freePort(from?: number): Promise<number> {
  if (from === undefined) return (await listenOnce(0)) as number;
  for (let port = from; port < Math.min(from + 100, 65_536); port++) {
    if ((await listenOnce(port)) !== undefined) return port;
  }
  return (await listenOnce(0)) as number;
}

/** True where nothing listens on this port of 127.0.0.1. */
export async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

async function listenOnce(port: number): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address?.port : undefined));
    });
  });
}
