import { connect } from "node:net";
import { Connection } from "@temporalio/client";
import { messageOf } from "../domain/errors.ts";

const DEADLINE_MS = 2_000;

/** Asks a Temporal frontend for a namespace; `undefined` where it answers, else what came back. Takes at most a few seconds. */
export async function answers(address: string, namespace: string): Promise<string | undefined> {
  // A refused gRPC channel backs off for a second; a bare socket knows at once.
  if (!(await accepts(address))) return "the port does not accept connections";
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address, connectTimeout: DEADLINE_MS });
    const opened = connection;
    await opened.withDeadline(Date.now() + DEADLINE_MS, () => opened.workflowService.describeNamespace({ namespace }));
    return undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    await connection?.close();
  }
}

async function accepts(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return await new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: DEADLINE_MS });
    const end = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}
