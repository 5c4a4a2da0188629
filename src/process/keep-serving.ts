/** A Temporal worker that is kept up until its process is told to stop, whatever becomes of the server. */
import { Worker, type WorkerOptions } from "@temporalio/worker";
import { pause } from "../activities/pause.ts";
import { dataConverterOf } from "../codec/data-converter.ts";
import { messageOf } from "../domain/errors.ts";
import { watchTemporal } from "./outage.ts";
import { redactFailures } from "./redact-failures.ts";
import { serve } from "./serve.ts";
import { linkTemporal, type Serving, type TemporalLink } from "./temporal-link.ts";

const RESTART_MS = 2_000;

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
export async function keepServing(serving: Serving, prepare: (link: TemporalLink) => Service): Promise<void> {
  const { signal } = serving;
  const draining = new Set<Promise<void>>();
  while (!signal.aborted) {
    let link: TemporalLink;
    try {
      link = await linkTemporal(serving);
    } catch (error) {
      if (signal.aborted) break;
      throw error;
    }
    const { over, outlived } = startRound(serving, link, prepare);
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
  const renewal = new AbortController();
  const ended = AbortSignal.any([signal, renewal.signal]);
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
      await serve(worker, ended, async (drained) => {
        const onReturn = () => renewed && renewal.abort();
        await Promise.all([beside(drained), watchTemporal(link, health, drained, onReturn)]);
      });
    } catch (error) {
      health.set("temporal", `serving ${config.taskQueue} failed: ${messageOf(error)}; it starts again`);
      await pause(RESTART_MS, signal);
    } finally {
      await link.close().catch(() => undefined);
    }
  };
  const outlived = new Promise<void>((resolve) => {
    renewal.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  return { over: serveOnce(), outlived };
}
