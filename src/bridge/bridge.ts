/** The bridge process: takes the streams of a workspace from Temporal and holds the platform's socket for them. */
import type { WorkspaceConfig } from "../config.ts";
import { createDelivery } from "../delivery/deliver.ts";
import { createDirectory } from "../delivery/directory.ts";
import { createHealth } from "../health.ts";
import { createPlatform } from "../platform/http.ts";
import { socketUrl } from "../platform/socket.ts";
import { tokenFrom } from "../platform/token.ts";
import { keepServing } from "../process/keep-serving.ts";
import type { ProcessOptions } from "../process/options.ts";
import { createStreamDecisions } from "./stream-decisions.ts";

/** Runs until `signal` fires. Waits, with backoff, while Temporal is down. Throws ERR_CONFIG where Temporal's settings cannot work. */
export async function runBridge(config: WorkspaceConfig, { signal, log, onReady }: ProcessOptions): Promise<void> {
  const health = createHealth(log, config.secrets);
  const token = tokenFrom(config.platform);
  const { url, origin, orgId } = config.platform;
  const platform = createPlatform({
    url,
    origin,
    orgId,
    token,
    onHealth: (problem) => health.set("platform", problem),
  });

  await keepServing({ config, health, log, signal }, ({ client }) => {
    const stopping = new AbortController();
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
    return {
      options: {
        taskQueue: config.bridgeTaskQueue,
        activities: { streamDecisions },
        maxConcurrentActivityTaskExecutions: config.maxStreams,
      },
      // Its streams hold sockets, and hand decisions over as soon as Temporal answers.
      renewed: false,
      async beside(ended) {
        onReady?.();
        // Streams end after the polling has: else this process would take its own stream's successor.
        ended.addEventListener("abort", () => setImmediate(() => stopping.abort()), { once: true });
      },
    };
  });
}
