/** The connections of a long-running process to Temporal. It waits for a server that is down instead of crashing in a loop. */
import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import { dataConverterOf } from "../codec/data-converter.ts";
import type { WorkspaceConfig } from "../config.ts";
import { RECONNECT } from "../config/reconnect.ts";
import type { Health } from "../health.ts";
import type { Log } from "../log.ts";
import { pause } from "../activities/pause.ts";
import { temporalTrouble } from "./temporal-trouble.ts";

/** What a long-running part has at hand. */
export interface Serving {
  readonly config: WorkspaceConfig;
  readonly health: Health;
  readonly log: Log;
  /** Ends it in good order. */
  readonly signal: AbortSignal;
}

export interface TemporalLink {
  readonly native: NativeConnection;
  readonly client: Client;
  /**
   * Asks for the namespace, at most 5 s: what is wrong in one line, `undefined` when it is well.
   * Rejects with ERR_CONFIG where no waiting mends it.
   */
  trouble(): Promise<string | undefined>;
  close(): Promise<void>;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const CALL_MS = 5_000;

/**
 * Our log, and no signal handlers of the SDK's beside our own. Only together with a connection: a runtime that never had one
 * would keep the process alive.
 */
function installRuntime(log: Log): void {
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
    // There is one, which serves all connections of this process.
  }
}

/**
 * Connects, and asks for the namespace, until both answer; the trouble is told once per kind by the health.
 * Throws ERR_CONFIG for TLS files and addresses that no waiting mends, and the signal's reason when it fires.
 */
export async function linkTemporal({ config: { temporal }, health, signal, log }: Serving): Promise<TemporalLink> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    signal.throwIfAborted();
    const link = await connect(temporal, log).catch((error: unknown) => temporalTrouble(error, temporal));
    let isWell = false;
    try {
      const problem = typeof link === "string" ? link : await link.trouble();
      health.set("temporal", problem);
      isWell = problem === undefined;
    } finally {
      if (!isWell && typeof link !== "string") await link.close().catch(() => undefined);
    }
    if (isWell && typeof link !== "string") return link;
    await pause(pauseMs, signal);
  }
}

async function connect(temporal: WorkspaceConfig["temporal"], log: Log): Promise<TemporalLink> {
  const { connectionOptions: options, namespace } = temporal;
  installRuntime(log);
  const native = await NativeConnection.connect(options);
  try {
    const connection = await Connection.connect({
      ...options,
      connectTimeout: CALL_MS,
      channelArgs: RECONNECT,
      // The SDK's ten attempts sleep on after an outage, and throw from a timer once the connection is closed. Whoever calls tries again.
      interceptors: [],
    });
    const client = new Client({ connection, namespace, dataConverter: dataConverterOf(temporal.payloadKeys) });
    return {
      native,
      client,
      async trouble() {
        try {
          const ask = () => client.workflowService.describeNamespace({ namespace });
          await client.withDeadline(Date.now() + CALL_MS, ask);
          return undefined;
        } catch (error) {
          return temporalTrouble(error, temporal);
        }
      },
      async close() {
        await connection.close();
        await native.close();
      },
    };
  } catch (error) {
    await native.close();
    throw error;
  }
}
