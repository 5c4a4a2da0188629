/** A line to a TCP server on which answers can get lost: what was asked arrives, and whoever asked does not know. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface LossyLine {
  readonly address: string;
  /** Until the returned function is called, and every other such, nothing comes back. Then every connection is cut. */
  loseAnswers(): () => void;
}

interface Scope {
  after(clean: () => Promise<unknown>): void;
}

/** `target`: `host:port`. */
export async function startLossyLine(scope: Scope, target: string): Promise<LossyLine> {
  const [host = "", port = ""] = target.split(":");
  const pairs = new Set<readonly [Socket, Socket]>();
  let losers = 0;
  const cut = (): void => pairs.forEach((pair) => pair.forEach((socket) => socket.destroy()));
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    const pair = [near, far] as const;
    pairs.add(pair);
    near.pipe(far);
    far.on("data", (chunk: Buffer) => {
      if (losers === 0) near.write(chunk);
    });
    for (const socket of pair) {
      // One end gone is both gone.
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        pair.forEach((one) => one.destroy());
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.after(async () => {
    server.close();
    cut();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    loseAnswers() {
      losers += 1;
      return () => {
        losers -= 1;
        if (losers === 0) cut();
      };
    },
  };
}
