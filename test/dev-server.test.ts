import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { resolveDevServer } from "../src/dev-server/resolve.ts";
import type { ResolveOptions } from "../src/dev-server/resolve.ts";
import { startDevServer } from "../src/dev-server/start.ts";
import { startOwnServer, temporalCli } from "./support/temporal.ts";

const folder = mkdtempSync(join(tmpdir(), "countersign-dev-server-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const resolver = new URL("../src/dev-server/resolve.js", import.meta.url).href;

/** What a test's `temporal` answers to `--version`. */
const TEMPORAL = `#!/bin/sh\necho "temporal version 0.0.0-test"\n`;
const BROKEN = `#!/bin/sh\necho "cannot execute" >&2\nexit 1\n`;

function script(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

/** A machine with nothing on it: no PATH to speak of, an empty cache, no way to the network. */
function bareMachine(name: string): { env: Record<string, string>; cache: string; bin: string } {
  const home = join(folder, name);
  const bin = join(home, "bin");
  mkdirSync(bin, { recursive: true });
  const cache = join(home, "cache", "countersign");
  const proxy = "http://127.0.0.1:9";
  return { cache, bin, env: { PATH: bin, HOME: home, XDG_CACHE_HOME: join(home, "cache"), HTTPS_PROXY: proxy } };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10);
}

async function resolveOn(env: Record<string, string>, options: Omit<ResolveOptions, "env"> = {}) {
  return await resolveDevServer({ ...options, env });
}

describe("finding the Temporal CLI", () => {
  it("prefers TEMPORAL_CLI to PATH, PATH to the cache, and the cache to an installation", async () => {
    const { env, cache, bin } = bareMachine("order");
    const cached = script(join(cache, "1.29", "linux", "temporal"), TEMPORAL);
    assert.deepEqual(await resolveOn(env), { path: cached, source: "cache" });
    const onPath = script(join(bin, "temporal"), TEMPORAL);
    assert.deepEqual(await resolveOn(env), { path: onPath, source: "PATH" });
    const named = script(join(folder, "order", "named"), TEMPORAL);
    assert.deepEqual(await resolveOn({ ...env, TEMPORAL_CLI: named }), { path: named, source: "TEMPORAL_CLI" });
  });

  it("looks further where a binary does not run, and says so of one that was named", async () => {
    const { env, cache, bin } = bareMachine("broken");
    script(join(bin, "temporal"), BROKEN);
    const cached = script(join(cache, "temporal"), TEMPORAL);
    const lines: string[] = [];
    const named = script(join(folder, "broken", "named"), BROKEN);
    const found = await resolveOn({ ...env, TEMPORAL_CLI: named }, { onProgress: (line) => lines.push(line) });
    assert.deepEqual(found, { path: cached, source: "cache" });
    assert.deepEqual(lines, [
      `TEMPORAL_CLI is not usable, looking further (\`${named} --version\`: exit code 1, cannot execute)`,
    ]);
  });

  it("does not take a third folder level or an unfinished installation for a cached binary", async () => {
    const { env, cache } = bareMachine("depth");
    script(join(cache, "a", "b", "c", "temporal"), TEMPORAL);
    script(join(cache, ".install-x", "temporal"), TEMPORAL);
    await assert.rejects(resolveOn(env), { code: "ERR_DEV_SERVER" });
  });

  it("answers with one list of what was tried and the remedies where nothing can be reached", async () => {
    const { env, cache } = bareMachine("nothing");
    const error = await resolveOn(env).then(
      () => assert.fail("found one"),
      (thrown: unknown) => thrown as Error & { code: string },
    );
    assert.equal(error.code, "ERR_DEV_SERVER");
    const message = error.message.replace(/(temporal\.download: ).*/, "$1<cause>");
    assert.equal(
      message,
      [
        "no Temporal dev server could be found or installed. Tried, in this order:",
        "  1. TEMPORAL_CLI: not set",
        "  2. `temporal` on PATH: not there",
        `  3. the cache ${cache}: empty`,
        "  4. the Temporal SDK's download: exit code 1: temporal.download: <cause>",
        "  5. `go install github.com/temporalio/cli/cmd/temporal@v1.5.1`: Go is not on PATH",
        "Any one of these helps:",
        "  - install the Temporal CLI (https://docs.temporal.io/cli), so that `temporal` is on PATH",
        "  - set TEMPORAL_CLI to the path of a `temporal` binary",
        `  - copy a \`temporal\` binary to ${join(cache, "temporal")}`,
        "  - let this machine reach temporal.download, by HTTPS_PROXY where there is a proxy",
        "  - install Go, and let it reach its module proxy",
      ].join("\n"),
    );
    assert.match(error.message, /4\. .*refused/i);
    assert.deepEqual(readdirSync(cache), [], "nothing half-done is left in the cache");
  });
});

describe("installing the Temporal CLI", () => {
  /** A `go` that notes its start, waits until the file `proceed` is there, and then installs a working `temporal`. */
  function fakeGo(bin: string): { starts: string; proceed: string } {
    const starts = join(bin, "starts");
    const proceed = join(bin, "proceed");
    script(
      join(bin, "go"),
      `#!/bin/sh
PATH=/usr/bin:/bin
echo "$@" >> ${starts}
while ! [ -e ${proceed} ]; do sleep 0.05; done
printf '#!/bin/sh\\necho "temporal version 0.0.0-built"\\n' > "$GOBIN/temporal"
chmod +x "$GOBIN/temporal"
`,
    );
    return { starts, proceed };
  }

  it("makes one installation where two processes resolve at once, and the second says that it waits", async () => {
    const { env, cache, bin } = bareMachine("two");
    const { starts, proceed } = fakeGo(bin);
    const program = `
      import { resolveDevServer } from ${JSON.stringify(resolver)};
      const onProgress = (line) => console.error(line);
      console.log(JSON.stringify(await resolveDevServer({ env: JSON.parse(process.argv[1]), onProgress })));`;
    const start = () => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", program, JSON.stringify(env)]);
      const said = { out: "", progress: "", pid: child.pid as number, closed: once(child, "close") };
      child.stdout.on("data", (chunk: Buffer) => (said.out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (said.progress += chunk.toString()));
      return said;
    };
    const first = start();
    await until(() => existsSync(starts));
    const second = start();
    await until(() => second.progress !== "");
    writeFileSync(proceed, "");
    await Promise.all([first.closed, second.closed]);

    const path = join(cache, "temporal");
    assert.deepEqual(JSON.parse(first.out), { path, source: "go" });
    assert.deepEqual(JSON.parse(second.out), { path, source: "cache" });
    assert.equal(second.progress, `process ${first.pid} is installing the Temporal dev server; waiting for it\n`);
    assert.equal(readFileSync(starts, "utf8"), "install github.com/temporalio/cli/cmd/temporal@v1.5.1\n");
    assert.deepEqual(readdirSync(cache), ["temporal"], "no lock and no temporary folder is left");
  });

  it("takes over the lock of an installer that died, and clears away what it left", async () => {
    const { env, cache, bin } = bareMachine("stale");
    const { proceed } = fakeGo(bin);
    writeFileSync(proceed, "");
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    mkdirSync(join(cache, ".install-dead"), { recursive: true });
    writeFileSync(join(cache, "install.lock"), JSON.stringify({ pid, host: hostname() }));
    assert.deepEqual(await resolveOn(env), { path: join(cache, "temporal"), source: "go" });
    assert.deepEqual(readdirSync(cache), ["temporal"]);
  });

  it("ends a build, and says why, when the caller gives up", async () => {
    const { env, cache, bin } = bareMachine("abort");
    const { starts } = fakeGo(bin);
    const caller = new AbortController();
    const resolving = resolveOn(env, { signal: caller.signal });
    const rejected = assert.rejects(resolving, { message: "enough" });
    await until(() => existsSync(starts));
    caller.abort(new Error("enough"));
    await rejected;
    assert.deepEqual(readdirSync(cache), []);
  });
});

describe("the dev server", () => {
  function hasEnded(pid: number): boolean {
    try {
      process.kill(pid, 0);
    } catch {
      return true;
    }
    // Where nothing collects orphans, a dead one still answers to signals.
    const status = `/proc/${pid}/status`;
    return existsSync(status) && /^State:\s+Z/m.test(readFileSync(status, "utf8"));
  }

  async function namespaces(address: string): Promise<readonly string[]> {
    const connection = await Connection.connect({ address });
    try {
      const { namespaces: found } = await connection.workflowService.listNamespaces({});
      return found.map((each) => each.namespaceInfo?.name ?? "");
    } finally {
      await connection.close();
    }
  }

  it("keeps its database over a stop, a SIGKILL and restarts on the same port", async () => {
    const dbFile = join(folder, "temporal.db");
    const first = await startOwnServer(dbFile);
    const connection = await Connection.connect({ address: first.address });
    const client = new Client({ connection });
    const handle = await client.workflow.start("nobody", { taskQueue: "unserved", workflowId: "kept" });
    await first.kill();
    const second = await startOwnServer(dbFile, { port: first.port });
    assert.equal(second.address, first.address);
    assert.notEqual(second.pid, first.pid);
    assert.equal((await handle.describe()).status.name, "RUNNING");
    await second.stop();
    const third = await startOwnServer(dbFile, { port: first.port });
    try {
      assert.equal((await handle.describe()).runId, handle.firstExecutionRunId);
    } finally {
      await connection.close();
      await third.stop();
    }
    assert.throws(() => process.kill(third.pid, 0), { code: "ESRCH" });
  });

  it("has the namespace it was asked for, and writes its output to the log file", async () => {
    const logFile = join(folder, "server.log");
    const server = await startDevServer({ binary: await temporalCli(), namespace: "approvals", logFile });
    try {
      assert.ok((await namespaces(server.address)).includes("approvals"));
    } finally {
      await server.stop();
    }
    assert.match(readFileSync(logFile, "utf8"), /Server:/);
  });

  it("ends with the process that started it, even when that one is killed", async () => {
    const program = `
      import { startDevServer } from ${JSON.stringify(new URL("../src/dev-server/start.js", import.meta.url).href)};
      const { pid } = await startDevServer({ binary: process.argv[1] });
      console.log(pid);
      setInterval(() => {}, 1000);`;
    const starter = spawn(process.execPath, ["--input-type=module", "-e", program, await temporalCli()]);
    const [line] = (await once(starter.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    process.kill(pid, 0);
    starter.kill("SIGKILL");
    await until(() => hasEnded(pid));
  });

  it("refuses a port on which something else listens", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    try {
      await assert.rejects(startDevServer({ binary: "never-started", port }), {
        code: "ERR_DEV_SERVER",
        message: `starting the Temporal dev server: port ${port} of 127.0.0.1 is in use; end what listens there or choose another port`,
      });
    } finally {
      other.close();
    }
  });

  it("shows the server's last words where it does not come up", async () => {
    const binary = script(join(folder, "dying"), `#!/bin/sh\necho "the disk is full" >&2\nexit 1\n`);
    await assert.rejects(startDevServer({ binary }), {
      code: "ERR_DEV_SERVER",
      message:
        /^starting the Temporal dev server \(.*dying\) on 127\.0\.0\.1:\d+: it ended at once; .*: the disk is full$/,
    });
  });
});
