/** The connections of a long-running process to Temporal. It waits for a server that is down instead of crashing in a loop. */
import { Client, Connection, isGrpcServiceError } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import { dataConverterOf } from "../codec/data-converter.ts";
import type { WorkspaceConfig } from "../config.ts";
import { RECONNECT } from "../config/reconnect.ts";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import type { Health } from "../health.ts";
import type { Log } from "../log.ts";
import { pause } from "../activities/pause.ts";
import { transportCause } from "./transport-cause.ts";

export interface TemporalLink {
  readonly native: NativeConnection;
  readonly client: Client;
  close(): Promise<void>;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const CALL_MS = 5_000;

/** Once per process, before the first connection: our log, and no signal handlers of the SDK's beside our own. */
export function installRuntime(log: Log): void {
  const logger = new DefaultLogger("WARN", ({ level, message, meta }) => {
    // The bridge has none on purpose.
    if (message.startsWith("No workflows registered")) return;
    // The SDK adds the whole task in base64 to some errors, where no redaction would see what is in it.
    const { task: _, taskEncoded: __, ...rest } = (meta ?? {}) as Record<string, unknown>;
    const fields = { ...rest, source: "temporal" };
    if (level === "ERROR") log.error(fields, message);
    else log.warn(fields, message);
  });
  try {
    Runtime.install({ logger, shutdownSignals: [], telemetryOptions: { logging: { filter: "ERROR", forward: {} } } });
  } catch {
    // Another part of this process was first; its runtime serves both.
  }
}

/**
 * Connects, and asks for the namespace, until both answer; the trouble is told once per kind by the health.
 * Throws ERR_CONFIG for TLS files and addresses that no waiting mends, and the signal's reason when it fires.
 */
export async function linkTemporal(
  { temporal }: WorkspaceConfig,
  health: Health,
  signal: AbortSignal,
): Promise<TemporalLink> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    signal.throwIfAborted();
    let link: TemporalLink | undefined;
    try {
      link = await connect(temporal);
      await link.client.withDeadline(Date.now() + CALL_MS, () =>
        (link as TemporalLink).client.workflowService.describeNamespace({ namespace: temporal.namespace }),
      );
      health.set("temporal", undefined);
      return link;
    } catch (error) {
      await link?.close().catch(() => undefined);
      const problem = explain(error, temporal.address, temporal.namespace);
      if (problem instanceof ApprovalError) throw problem;
      health.set("temporal", problem);
      await pause(pauseMs, signal);
    }
  }
}

async function connect(temporal: WorkspaceConfig["temporal"]): Promise<TemporalLink> {
  const options = temporal.connectionOptions;
  const native = await NativeConnection.connect(options);
  try {
    const connection = await Connection.connect({ ...options, connectTimeout: CALL_MS, channelArgs: RECONNECT });
    const client = new Client({
      connection,
      namespace: temporal.namespace,
      dataConverter: dataConverterOf(temporal.payloadKeys),
    });
    return {
      native,
      client,
      close: async () => {
        await connection.close();
        await native.close();
      },
    };
  } catch (error) {
    await native.close();
    throw error;
  }
}

/** One line for what waiting may mend, an error for what it cannot. */
function explain(error: unknown, address: string, namespace: string): string | ApprovalError {
  const cause = transportCause(messageOf(error));
  if (error instanceof TypeError || /invalid (url|uri)|certificate file|PEM/i.test(cause)) {
    return new ApprovalError(
      "ERR_CONFIG",
      `The connection to Temporal at ${address} cannot be set up: ${cause}; check TEMPORAL_ADDRESS and TEMPORAL_TLS_*`,
      {
        cause: error,
      },
    );
  }
  if (isGrpcServiceError(error) && error.code === 5) {
    return `Temporal at ${address} has no namespace "${namespace}"; create it, or set TEMPORAL_NAMESPACE`;
  }
  if (isGrpcServiceError(error) && (error.code === 7 || error.code === 16)) {
    return `Temporal at ${address} refused the credentials: ${cause}; check TEMPORAL_API_KEY or the client certificate`;
  }
  return `cannot reach Temporal at ${address}: ${cause}; is the server up, and are TEMPORAL_ADDRESS and TEMPORAL_TLS right?`;
}
