/** The bridge process: takes the streams of a workspace from Temporal and holds the platform's socket for them. */
import { Worker } from "@temporalio/worker";
import { pause } from "../activities/pause.ts";
import { dataConverterOf } from "../codec/data-converter.ts";
import type { WorkspaceConfig } from "../config.ts";
import { createDelivery } from "../delivery/deliver.ts";
import { createDirectory } from "../delivery/directory.ts";
import { messageOf } from "../domain/errors.ts";
import { createHealth } from "../health.ts";
import { createPlatform } from "../platform/http.ts";
import { socketUrl } from "../platform/socket.ts";
import { tokenFrom } from "../platform/token.ts";
import { redactFailures } from "../process/redact-failures.ts";
import { serve } from "../process/serve.ts";
import { installRuntime, linkTemporal, type TemporalLink } from "../process/temporal-link.ts";
import type { ProcessOptions } from "../process/options.ts";
import { createStreamDecisions } from "./stream-decisions.ts";

const RESTART_MS = 2_000;

/** Runs until `signal` fires. Waits, with backoff, while Temporal is down. Throws ERR_CONFIG where Temporal's settings cannot work. */
export async function runBridge(config: WorkspaceConfig, { signal, log, onReady }: ProcessOptions): Promise<void> {
  const health = createHealth(log, config.secrets);
  installRuntime(log);
  const token = tokenFrom(config.platform);
  const { url, origin, orgId } = config.platform;
  const platform = createPlatform({
    url,
    origin,
    orgId,
    token,
    onHealth: (problem) => health.set("platform", problem),
  });

  while (!signal.aborted) {
    let link: TemporalLink;
    try {
      link = await linkTemporal(config, health, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    const { client } = link;
    const stopping = new AbortController();
    try {
      const directory = createDirectory(client, config.taskQueue);
      const streamDecisions = createStreamDecisions({
        client,
        platform,
        directory,
        delivery: createDelivery({ client, directory, platform, log }),
        socket: { url: socketUrl(url), token, origin, orgId },
        hintKey: config.hintKey,
        heartbeatMs: config.heartbeatSeconds * 1_000,
        onHealth: (problem) => health.set("socket", problem),
        problems: () => health.problems(),
        log,
        stopping: stopping.signal,
      });
      const worker = await Worker.create({
        connection: link.native,
        namespace: config.temporal.namespace,
        dataConverter: dataConverterOf(config.temporal.payloadKeys, {
          onUnreadable: (problem) => health.set("payload keys", problem),
        }),
        taskQueue: config.bridgeTaskQueue,
        activities: { streamDecisions },
        interceptors: { activity: [redactFailures(config.secrets)] },
        maxConcurrentActivityTaskExecutions: config.maxStreams,
        shutdownGraceTime: "5s",
        shutdownForceTime: "8s",
      });
      await serve(worker, signal, async (ended) => {
        onReady?.();
        // Streams end after the polling has: else this process would take its own stream's successor.
        ended.addEventListener("abort", () => setImmediate(() => stopping.abort()), { once: true });
      });
    } catch (error) {
      health.set("temporal", `the bridge stopped: ${messageOf(error)}; it starts again`);
      await pause(RESTART_MS, signal);
    } finally {
      stopping.abort();
      await link.close().catch(() => undefined);
    }
  }
}
