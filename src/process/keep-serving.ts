/** A Temporal worker that is kept up until its process is told to stop, whatever becomes of the server. */
import { Worker, type WorkerOptions } from "@temporalio/worker";
import { pause } from "../activities/pause.ts";
import { dataConverterOf } from "../codec/data-converter.ts";
import type { WorkspaceConfig } from "../config.ts";
import { messageOf } from "../domain/errors.ts";
import type { Health } from "../health.ts";
import { watchTemporal } from "./outage.ts";
import { redactFailures } from "./redact-failures.ts";
import { serve } from "./serve.ts";
import { linkTemporal, type TemporalLink } from "./temporal-link.ts";

const RESTART_MS = 2_000;

export interface Serving {
  readonly config: WorkspaceConfig;
  readonly health: Health;
  /** Ends it in good order. */
  readonly signal: AbortSignal;
}

export interface Service {
  /** What this worker runs, beside what all of ours have in common. */
  readonly options: Omit<WorkerOptions, "connection" | "namespace" | "dataConverter" | "interceptors">;
  /** Runs beside the worker; its signal fires when the worker ends. */
  beside(ended: AbortSignal): Promise<void>;
  /** True where a fresh worker takes over after an outage of Temporal, because the polls of this one may sleep for 12 s more. */
  readonly renewed: boolean;
}

/** One worker on one connection. */
interface Round {
  /** Resolves when it has drained, also after a failure. */
  readonly over: Promise<void>;
  /** Resolves when another one should take its place, if ever. */
  readonly outlived: Promise<void>;
}

/**
 * Links to Temporal, serves, and starts again after a failure or an outage, until `signal` fires.
 * Throws ERR_CONFIG where Temporal's settings cannot work.
 */
export async function keepServing(
  { config, health, signal }: Serving,
  prepare: (link: TemporalLink) => Service,
): Promise<void> {
  const draining = new Set<Promise<void>>();
  while (!signal.aborted) {
    let link: TemporalLink;
    try {
      link = await linkTemporal(config, health, signal);
    } catch (error) {
      if (signal.aborted) break;
      throw error;
    }
    const { over, outlived } = startRound({ config, health, signal }, link, prepare);
    draining.add(over);
    void over.then(() => draining.delete(over));
    await Promise.race([over, outlived]);
  }
  await Promise.all(draining);
}

function startRound(
  { config, health, signal }: Serving,
  link: TemporalLink,
  prepare: (link: TemporalLink) => Service,
): Round {
  const ender = new AbortController();
  const end = () => ender.abort();
  signal.addEventListener("abort", end, { once: true });
  const serveOnce = async () => {
    try {
      const { options, beside, renewed } = prepare(link);
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
      await serve(worker, ender.signal, async (ended) => {
        await Promise.all([beside(ended), watchTemporal(link, health, ended, () => renewed && end())]);
      });
    } catch (error) {
      health.set("temporal", `serving ${config.taskQueue} failed: ${messageOf(error)}; it starts again`);
      await pause(RESTART_MS, signal);
    } finally {
      signal.removeEventListener("abort", end);
      await link.close().catch(() => undefined);
    }
  };
  const outlived = new Promise<void>((resolve) => {
    ender.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  return { over: serveOnce(), outlived };
}
