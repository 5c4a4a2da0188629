/** The connection to Temporal: opened by the first call, shared, and closed when nobody needs it, so that a script can exit. */
import { Client, Connection } from "@temporalio/client";
import type { ConnectionOptions } from "@temporalio/client";
import { dataConverterOf, readPayload } from "../codec/data-converter.ts";
import type { Config } from "../config.ts";
import { RECONNECT } from "../config/reconnect.ts";
import { ApprovalError, messageOf } from "../domain/errors.ts";

type TemporalConfig = Config["temporal"];
type Payload = Parameters<typeof readPayload>[1];

/** One RPC may take this long before it is tried again on what may be another connection. */
const CALL_MS = 10_000;
// Back-to-back calls (start, then result) should not connect twice.
const LINGER_MS = 1_000;

export interface Temporal {
  readonly address: string;
  readonly namespace: string;
  readonly client: Client;
  /** Runs RPCs under a deadline, by default 10 s. */
  call<T>(work: (client: Client) => Promise<T>, milliseconds?: number): Promise<T>;
  /** The value in a payload of a raw answer, decrypted. Throws ApprovalError ERR_CONFIG where the key is missing. */
  read(payload: Payload): Promise<unknown>;
}

export interface TemporalPool {
  /** Lends a connection for as long as `work` runs. Nothing is sent before the first RPC. */
  use<T>(config: TemporalConfig, work: (temporal: Temporal) => Promise<T>): Promise<T>;
}

interface Entry {
  readonly connection: Connection;
  readonly temporal: Temporal;
  users: number;
  lingering: NodeJS.Timeout | undefined;
}

export function createTemporalPool(): TemporalPool {
  const entries = new Map<string, Entry>();
  return {
    async use(config, work) {
      const key = `${config.address}\n${config.namespace}\n${config.payloadKeys.map(({ id }) => id).join()}`;
      const entry = entries.get(key) ?? open(config);
      entries.set(key, entry);
      clearTimeout(entry.lingering);
      entry.users += 1;
      try {
        return await work(entry.temporal);
      } finally {
        entry.users -= 1;
        if (entry.users === 0) {
          entry.lingering = setTimeout(() => {
            entries.delete(key);
            // A connection that cannot be closed is of no further use either way.
            entry.connection.close().catch(() => undefined);
          }, LINGER_MS);
          entry.lingering.unref();
        }
      }
    },
  };
}

function open(config: TemporalConfig): Entry {
  const connection = connect(config);
  const client = new Client({
    connection,
    namespace: config.namespace,
    dataConverter: dataConverterOf(config.payloadKeys),
  });
  const temporal: Temporal = {
    address: config.address,
    namespace: config.namespace,
    client,
    call: (work, milliseconds = CALL_MS) => connection.withDeadline(Date.now() + milliseconds, () => work(client)),
    read: (payload) => readPayload(config.payloadKeys, payload),
  };
  return { connection, temporal, users: 0, lingering: undefined };
}

function connect(config: TemporalConfig): Connection {
  const options = config.connectionOptions as ConnectionOptions;
  try {
    return Connection.lazy({
      ...options,
      channelArgs: {
        ...options.channelArgs,
        ...RECONNECT,
      },
      // The SDK's interceptor hides the cause of an outage behind ten attempts; `persist` does the trying here.
      interceptors: [],
    });
  } catch (error) {
    throw new ApprovalError(
      "ERR_CONFIG",
      `The connection to Temporal at ${config.address} cannot be set up: ${messageOf(error)}; check TEMPORAL_ADDRESS and TEMPORAL_TLS_*`,
      { cause: error },
    );
  }
}
