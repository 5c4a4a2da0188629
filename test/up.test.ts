/** The commands that run until they are stopped, each as a process of its own. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { openDataFolder } from "../src/cli/data-folder.ts";
import { lockFolder } from "../src/cli/folder-lock.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import { descendantsOf, startCommand, startScript, untilGone } from "./support/command.ts";
import type { Command, Owner } from "./support/command.ts";
import { readAudit } from "./support/stack.ts";
import { temporalCli } from "./support/temporal.ts";
import { until } from "./support/until.ts";

const NOWHERE = "127.0.0.1:1";

function tempFolder(t: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), "countersign-up-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function up(t: Owner, data: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Command> {
  return startCommand(t, ["up", "--data", data, ...args], {
    env: { TEMPORAL_CLI: await temporalCli(), WORKSPACE_CONFIG_PATH: data, ...env },
  });
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

// Two at once, so that each second one finds the usual ports taken.
describe("countersign up", { concurrency: 2 }, () => {
  describe("with --decide approved", () => {
    let data: string;
    let command: Command;
    let result: ApprovalResult;

    const cleanUps: (() => unknown)[] = [];
    const suite: Owner = { after: (cleanUp) => cleanUps.unshift(cleanUp) };

    before(async () => {
      data = join(tempFolder(suite), "data");
      command = await up(suite, data, ["--sample", "--decide", "approved"]);
      assert.equal(await command.ended, 0, command.stderr());
      result = JSON.parse(lastLine(command.stdout())) as ApprovalResult;
    });

    after(async () => {
      for (const cleanUp of cleanUps) await cleanUp();
    });

    it("prints the result as JSON on the last line of stdout", () => {
      assert.deepEqual([result.status, result.approved], ["approved", true]);
      assert.equal("decided_by" in result && result.decided_by, "reviewer");
    });

    it("records what happened in its folder", () => {
      const records = readAudit(join(data, "audit.jsonl")).map(({ outcome, trace_id }) => [outcome, trace_id]);
      assert.deepEqual(records, [
        ["requested", result.trace_id],
        ["granted", result.trace_id],
      ]);
    });

    it("keeps its secrets to itself: private files that no output repeats", () => {
      assert.equal(statSync(data).mode & 0o777, 0o700);
      const output = command.stdout() + command.stderr() + readFileSync(join(data, "up.log"), "utf8");
      for (const name of ["agent.token", "reviewer.token", "hint.key"]) {
        assert.equal(statSync(join(data, name)).mode & 0o777, 0o600, name);
        assert.ok(!output.includes(readFileSync(join(data, name), "utf8")), name);
      }
    });

    it("gives its folder back", () => assert.ok(!existsSync(join(data, "up.pid"))));
  });

  it("with --decide denied ends with 0 too, also beside settings that lead elsewhere", async (t) => {
    const data = join(tempFolder(t), "data");
    const command = await up(t, data, ["--decide", "denied"], {
      WORKSPACE_ID: "ws-7",
      PLATFORM_URL: `http://${NOWHERE}`,
      PLATFORM_TOKEN: "another-platforms-token",
      PLATFORM_ORIGIN: "https://elsewhere.example",
      REVIEWER_TOKEN: "another-reviewers-token",
      TEMPORAL_ADDRESS: NOWHERE,
      TEMPORAL_NAMESPACE: "elsewhere",
      TEMPORAL_API_KEY: "another-servers-key",
      APPROVAL_USE_WEBSOCKET: "false",
      APPROVAL_POLL_INTERVAL: "0.2",
    });
    assert.equal(await command.ended, 0, command.stderr());
    const result = JSON.parse(lastLine(command.stdout())) as ApprovalResult;
    assert.equal(result.status, "denied");
    assert.match(result.workflow_id, /^approval:ws-7:/);
  });

  it("refuses a second one on the same folder, and lets another terminal decide by the file `env`", async (t) => {
    const data = join(tempFolder(t), "it's data");
    const first = await up(t, data, ["--sample"]);
    const [, id] = await first.said(/^Approval +(\S+)$/m);
    await first.said(/^Approve .* && node \S+ approve /m);

    const second = await up(t, data, []);
    assert.equal(await second.ended, 2);
    assert.match(second.stderr(), new RegExp(`^countersign: The data folder .* in use .* process ${first.pid};`));

    const terminal = `. "$1" && exec "$0" --input-type=module --eval "$2" -- approve ${id}`;
    const main = JSON.stringify(new URL("../src/cli/main.js", import.meta.url).href);
    const script = `const { main } = await import(${main}); process.exitCode = await main(process.argv.slice(1));`;
    const sourced = await promisify(execFile)("sh", ["-c", terminal, process.execPath, join(data, "env"), script], {
      env: { PATH: process.env["PATH"], REVIEWER_TOKEN: "another-reviewers-token" },
    });
    assert.equal(sourced.stdout, `Approved: ${id}\n`);
    assert.equal(await first.ended, 0, first.stderr());
    assert.equal(first.stdout(), "Approved by reviewer.\n");
  });

  it("leaves no process behind, stopped or killed, and finds again what was waiting", async (t) => {
    const data = join(tempFolder(t), "data");
    const first = await up(t, data, ["--sample"]);
    const [, workflow = ""] = await first.said(/^Workflow +\S+\/workflows\/(\S+)$/m);
    const below = descendantsOf(first.pid);
    assert.ok(below.length > 0, "the Temporal server was found");
    first.send("SIGKILL");
    await first.ended;
    await untilGone(below);

    const again = await up(t, data, []);
    await again.said(/^Ready /m);
    assert.ok(again.stderr().includes(`${decodeURIComponent(workflow)} (Drop the staging database), from before`));
    const belowAgain = descendantsOf(again.pid);
    again.send("SIGINT");
    assert.equal(await again.ended, 130, again.stderr());
    await untilGone(belowAgain);
  });

  it("ends with 3, and stops the rest, when the Temporal server ends", async (t) => {
    const command = await up(t, join(tempFolder(t), "data"), ["--sample"]);
    await command.said(/^Waiting /m);
    const below = descendantsOf(command.pid);
    for (const pid of below) {
      const name = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (name.includes("start-dev")) process.kill(pid, "SIGKILL");
    }
    assert.equal(await command.ended, 3);
    assert.match(
      lastLine(command.stderr()),
      /^countersign: The Temporal dev server \(process \d+\) has ended by itself; /,
    );
    await untilGone(below);
  });

  it("tells every wrong setting before it starts anything", async (t) => {
    const data = join(tempFolder(t), "data");
    const command = await up(t, data, ["--sample"], { APPROVAL_TIMEOUT: "soon", APPROVAL_POLL_INTERVAL: "-1" });
    assert.equal(await command.ended, 2);
    assert.match(command.stderr(), /2 problems: .*APPROVAL_TIMEOUT is "soon".*APPROVAL_POLL_INTERVAL is "-1"/);
    assert.ok(!existsSync(join(data, "temporal.db")));
    assert.ok(!existsSync(join(data, "up.pid")));
  });
});

describe("the lock of a data folder", () => {
  it("is held until it is given back, and refused by name meanwhile", (t) => {
    const file = join(tempFolder(t), "up.pid");
    const release = lockFolder(file);
    assert.throws(() => lockFolder(file), { code: "ERR_USAGE", message: new RegExp(`process ${process.pid};`) });
    release();
    lockFolder(file)();
    assert.ok(!existsSync(file));
  });

  for (const [what, content] of [
    ["a process that is no more", "4194999 17"],
    ["a process whose id is now another's", `${process.pid} 1`],
    ["nobody, because it is broken", "??"],
  ] as const) {
    it(`is taken over from ${what}`, (t) => {
      const file = join(tempFolder(t), "up.pid");
      writeFileSync(file, content);
      const release = lockFolder(file);
      assert.match(readFileSync(file, "utf8"), new RegExp(`^${process.pid} `));
      release();
    });
  }

  it("is not removed by one who lost it", (t) => {
    const file = join(tempFolder(t), "up.pid");
    const release = lockFolder(file);
    writeFileSync(file, "1 1");
    release();
    assert.equal(readFileSync(file, "utf8"), "1 1");
  });
});

describe("countersign inbox", () => {
  it("tells its url when it is ready, and lets in the folder's agent and reviewer", async (t) => {
    const data = join(tempFolder(t), "data");
    const command = startCommand(t, ["inbox", "--port", "0", "--data", data, "--json"], {
      env: { WORKSPACE_ID: "ws-1" },
    });
    const url = await urlOf(command);
    const folder = openDataFolder(data);
    for (const file of [folder.agentTokenFile, folder.reviewerTokenFile]) {
      const token = readFileSync(file, "utf8");
      const answer = await fetch(`${url}/workspaces/ws-1/approvals`, { headers: { authorization: `Bearer ${token}` } });
      assert.equal(answer.status, 200);
      assert.ok(!(command.stdout() + command.stderr()).includes(token));
    }
    command.send("SIGTERM");
    assert.equal(await command.ended, 0, command.stderr());
  });

  it("refuses a port that is taken, and one that is none", async (t) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    t.after(() => taken.close());
    const address = taken.address();
    const port = typeof address === "object" ? String(address?.port) : "";
    const data = join(tempFolder(t), "data");
    for (const [given, text] of [
      [port, `countersign: the inbox cannot listen on 127.0.0.1 port ${port}; choose another port`],
      ["80x", "A port is a whole number from 0 to 65535."],
    ] as const) {
      const command = startCommand(t, ["inbox", "--port", given, "--data", data]);
      assert.equal(await command.ended, 2);
      assert.ok(command.stderr().includes(text), command.stderr());
    }
  });
});

describe("countersign worker and bridge", () => {
  const base = { WORKSPACE_ID: "ws-1", TEMPORAL_ADDRESS: NOWHERE, PLATFORM_URL: `http://${NOWHERE}` };

  for (const [name, queue] of [
    ["worker", "approvals-ws-1"],
    ["bridge", "approvals-ws-1-bridge"],
  ] as const) {
    for (const [signal, code] of [
      ["SIGTERM", 0],
      ["SIGINT", 130],
    ] as const) {
      it(`${name} names what it serves in one line, waits while Temporal is down, and ends with ${code} at ${signal}`, async (t) => {
        const path = join(tempFolder(t), "audit.jsonl");
        const command = startCommand(t, [name], { env: { ...base, AUDIT_LOG_PATH: path } });
        await command.said(/"cannot reach Temporal at 127\.0\.0\.1:1: /);
        const [first] = command.stderr().split("\n");
        assert.equal(
          first?.replace(/ \d+\.\d+\.\d+:/, ":"),
          `countersign ${name}: workspace ws-1, queue ${queue}, Temporal 127.0.0.1:1 (namespace default), platform http://127.0.0.1:1, mode socket, audit ${path}`,
        );
        command.send(signal);
        assert.equal(await command.ended, code, command.stderr());
        assert.equal(command.stdout(), "");
      });
    }

    it(`${name} tells every wrong setting at once, and ends with 2`, async (t) => {
      const command = startCommand(t, [name], { env: { APPROVAL_TIMEOUT: "0", TEMPORAL_TLS: "maybe" } });
      assert.equal(await command.ended, 2);
      assert.match(command.stderr(), /3 problems: .*WORKSPACE_ID is not set.*TEMPORAL_TLS is.*APPROVAL_TIMEOUT is/);
    });
  }

  it("worker ends with 3 where the audit log cannot be written", async (t) => {
    const command = startCommand(t, ["worker"], { env: { ...base, AUDIT_LOG_PATH: tempFolder(t) } });
    assert.equal(await command.ended, 3);
    assert.match(lastLine(command.stderr()), /^countersign: The audit log \S+ cannot be written: .*AUDIT_LOG_PATH/);
  });
});

describe("stopping", () => {
  const stuck = (limitMs: number): string => `
    const { listenForStop } = await import(${JSON.stringify(new URL("../src/cli/stop-signals.js", import.meta.url).href)});
    listenForStop({ err: (text) => console.error(text) }, "worker", ${limitMs});
    setInterval(() => {}, 1_000);
    console.error("listening");`;

  it("ends at once at a second signal, whatever is still at hand", async (t) => {
    for (const [signal, code] of [
      ["SIGTERM", 143],
      ["SIGINT", 130],
    ] as const) {
      const command = startScript(t, stuck(60_000), []);
      await command.said(/listening/);
      // The same Ctrl-C twice within a moment is one, so the first signal is the other one.
      command.send(signal === "SIGINT" ? "SIGTERM" : "SIGINT");
      await command.said(/stopping \(/);
      command.send(signal);
      assert.equal(await command.ended, code);
    }
  });

  it("ends with 3 and a line that says so where the drain takes too long", async (t) => {
    const command = startScript(t, stuck(50), []);
    await command.said(/listening/);
    command.send("SIGTERM");
    assert.equal(await command.ended, 3);
    assert.match(lastLine(command.stderr()), /^countersign worker: not stopped within 0\.05 s; ended anyway/);
  });
});

function urlOf(command: Command): Promise<string> {
  return until("the line with the url", () => {
    const line = /^\{.*\}$/m.exec(command.stdout());
    return line === null ? undefined : (JSON.parse(line[0]) as { url: string }).url;
  });
}
