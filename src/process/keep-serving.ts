/** A Temporal worker that is kept up until its process is told to stop, whatever becomes of the server. */
import { Worker, type WorkerOptions } from "@temporalio/worker";
import { pause } from "../activities/pause.ts";
import { dataConverterOf } from "../codec/data-converter.ts";
import type { WorkspaceConfig } from "../config.ts";
import { messageOf } from "../domain/errors.ts";
import type { Health } from "../health.ts";
import { redactFailures } from "./redact-failures.ts";
import { serve } from "./serve.ts";
import { linkTemporal, type TemporalLink } from "./temporal-link.ts";

const RESTART_MS = 2_000;

export interface Service {
  /** What this worker runs, beside what all of ours have in common. */
  readonly options: Omit<WorkerOptions, "connection" | "namespace" | "dataConverter" | "interceptors">;
  /** Runs beside the worker; its signal fires when the worker ends. */
  beside(ended: AbortSignal): Promise<void>;
}

/**
 * Links to Temporal, serves, and starts again after a failure, until `signal` fires.
 * Throws ERR_CONFIG where Temporal's settings cannot work.
 */
export async function keepServing(
  { config, health, signal }: { config: WorkspaceConfig; health: Health; signal: AbortSignal },
  prepare: (link: TemporalLink) => Service,
): Promise<void> {
  while (!signal.aborted) {
    let link: TemporalLink;
    try {
      link = await linkTemporal(config, health, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    try {
      const { options, beside } = prepare(link);
      const worker = await Worker.create({
        ...options,
        connection: link.native,
        namespace: config.temporal.namespace,
        dataConverter: dataConverterOf(config.temporal.payloadKeys, {
          onUnreadable: (problem) => health.set("payload keys", problem),
        }),
        interceptors: { activity: [redactFailures(config.secrets)] },
        shutdownGraceTime: "5s",
        shutdownForceTime: "8s",
      });
      await serve(worker, signal, beside);
    } catch (error) {
      health.set("temporal", `serving ${config.taskQueue} failed: ${messageOf(error)}; it starts again`);
      await pause(RESTART_MS, signal);
    } finally {
      await link.close().catch(() => undefined);
    }
  }
}
