/** The connection to Temporal: TEMPORAL_* and profiles, as every Temporal tool reads them. */
import { loadClientConnectConfig, type ClientConnectConfig } from "@temporalio/envconfig";
import type { Settings } from "./settings.ts";

export interface TemporalSettings {
  /** host:port */
  readonly address: string;
  readonly namespace: string;
  readonly connectionOptions: ClientConnectConfig["connectionOptions"];
}

const SECRET_METADATA = /auth|token|key|secret|cookie/i;

/** The settings, and the secrets among them. A problem is noted for what cannot be read. */
export function temporalSettings(
  settings: Settings,
  env: NodeJS.ProcessEnv,
): { readonly temporal: TemporalSettings; readonly secrets: readonly string[] } {
  const loaded = load(settings, env);
  const address = loaded.connectionOptions.address ?? "localhost:7233";
  if (!/^(?:\[[0-9a-f:.]+\]|[^\s:/?#@[\]]+)(?::\d{1,5})?$/i.test(address)) {
    settings.refuse("TEMPORAL_ADDRESS", address, "host:port, such as localhost:7233");
  }
  // The SDK takes everything but `1` and `true` for "no TLS".
  settings.checked("TEMPORAL_TLS", "", "true or false", (value) => /^(?:1|0|true|false)$/.test(value));
  const { apiKey, metadata } = loaded.connectionOptions;
  const given = Object.entries(loaded.connectionOptions).filter(([, value]) => value !== undefined);
  return {
    temporal: {
      address,
      namespace: loaded.namespace ?? "default",
      connectionOptions: { ...Object.fromEntries(given), address },
    },
    secrets: [
      ...(typeof apiKey === "string" ? [apiKey] : []),
      ...Object.entries(metadata ?? {}).flatMap(([key, value]) =>
        SECRET_METADATA.test(key) && typeof value === "string" ? [value] : [],
      ),
    ],
  };
}

function load(settings: Settings, env: NodeJS.ProcessEnv): ClientConnectConfig {
  const set: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    // An empty TEMPORAL_GRPC_META_* takes the header out of the profile: the SDK's own rule.
    if (value !== undefined && (value.trim() !== "" || name.startsWith("TEMPORAL_GRPC_META_"))) set[name] = value;
  }
  try {
    return loadClientConnectConfig({ overrideEnvVars: set });
  } catch (error) {
    // The first line only: the next ones repeat the profile file, which may hold the API key.
    const [why] = String(error instanceof Error ? error.message : error).split("\n");
    const source = set["TEMPORAL_CONFIG_FILE"] ?? "the profile file";
    settings.problems.push(
      `TEMPORAL_* and ${source} cannot be read: ${why}; allowed: the settings of Temporal's environment configuration`,
    );
    return { connectionOptions: {} };
  }
}
