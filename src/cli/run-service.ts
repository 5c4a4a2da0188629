/** What `countersign worker` and `countersign bridge` share: settings, the line at the start, signals, the exit code. */
import { loadConfig, requireWorkspace } from "../config.ts";
import type { WorkspaceConfig } from "../config.ts";
import { createLogger } from "../log.ts";
import type { ProcessOptions } from "../process/options.ts";
import { EXIT } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { note } from "./setup.ts";
import { shown } from "./shown.ts";
import { listenForStop } from "./stop-signals.ts";

export interface Service {
  readonly name: "worker" | "bridge";
  readonly version: string;
  /** The queue whose tasks it takes. */
  queueOf(config: WorkspaceConfig): string;
  run(config: WorkspaceConfig, options: ProcessOptions): Promise<void>;
}

const DRAIN_LIMIT_MS = 10_000;

/**
 * Runs it until SIGTERM (exit code 0) or SIGINT (130). Throws ERR_CONFIG with every problem of the settings,
 * and what the service itself throws.
 */
export async function runService(io: Io, service: Service): Promise<void> {
  const config = requireWorkspace(loadConfig(io.env, { require: ["workspace"] }));
  // Before its first line: whoever has read that may stop it.
  const stop = listenForStop(io, service.name, DRAIN_LIMIT_MS);
  try {
    io.err(shown(io, startLine(service, config)));
    for (const warning of config.warnings) note(io, warning);
    const log = createLogger({ name: service.name, secrets: config.secrets });
    await service.run(config, {
      signal: stop.signal,
      log,
      onReady: () => log.info({ task_queue: service.queueOf(config) }, `the ${service.name} is ready`),
    });
    io.exitCode = stop.by() === "SIGINT" ? EXIT.interrupted : EXIT.ok;
  } finally {
    stop.release();
  }
}

function startLine(service: Service, config: WorkspaceConfig): string {
  const facts = [
    `workspace ${config.workspaceId}`,
    `queue ${service.queueOf(config)}`,
    `Temporal ${config.temporal.address} (namespace ${config.temporal.namespace})`,
    `platform ${config.platform.url}`,
    `mode ${config.useWebSocket ? "socket" : "sweep"}`,
    `audit ${config.audit.path}`,
  ];
  return `countersign ${service.name} ${service.version}: ${facts.join(", ")}`;
}
