/** The inbox as a process of its own, with people and workflows that wait while it dies and comes back. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createApprovals } from "../src/client/approvals.ts";
import { loadConfig, requireWorkspace } from "../src/config.ts";
import { startCommand, type Command } from "./support/command.ts";
import { startProcess } from "./support/processes.ts";
import { testTemporal } from "./support/temporal.ts";
import { until } from "./support/until.ts";

const PENDING = 100;

interface Ready {
  readonly url: string;
  readonly login_url: string;
}

async function startInbox(t: TestContext, folder: string, port: number): Promise<{ command: Command; ready: Ready }> {
  const command = startCommand(t, ["inbox", "--port", String(port), "--data", folder, "--json"], { cwd: folder });
  // Making a new database takes seconds of the processor, of which other tests want theirs.
  const line = await until("the inbox is ready", () => /^.*\n/.exec(command.stdout())?.[0], 120_000);
  return { command, ready: JSON.parse(line) as Ready };
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "countersign-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test(
  "a killed inbox comes back with its hundred pending approvals, and every workflow hears its decision",
  { timeout: 170_000 },
  async (t) => {
    const temporal = await testTemporal();
    t.after(() => temporal.cleanup());
    const folder = folderFor(t);
    const first = await startInbox(t, folder, 0);
    const env: NodeJS.ProcessEnv = {
      PATH: process.env["PATH"],
      HOME: folder,
      WORKSPACE_ID: "demo",
      COUNTERSIGN_TASK_QUEUE: `restart-${process.pid}-${Date.now()}`,
      PLATFORM_URL: first.ready.url,
      PLATFORM_TOKEN_FILE: join(folder, "agent.token"),
      TEMPORAL_ADDRESS: temporal.address,
      AUDIT_LOG_PATH: join(folder, "audit.jsonl"),
      WORKSPACE_CONFIG_PATH: folder,
      APPROVAL_POLL_INTERVAL: "1",
      COUNTERSIGN_HEARTBEAT: "5",
    };
    const parts = [startProcess(t, "worker", env), startProcess(t, "bridge", env)];
    await Promise.all(parts.map((part) => part.ready()));
    const approvals = createApprovals(requireWorkspace(loadConfig(env)), { warn: () => {} });
    const handles = await Promise.all(
      Array.from({ length: PENDING }, (_, n) => approvals.start(`act ${n}`, "because", { timeoutSeconds: 150 })),
    );
    const results = handles.map((handle) => handle.result({ signal: t.signal }));
    for (const result of results) result.catch(() => {});
    const reviewer = { authorization: `Bearer ${readFileSync(join(folder, "reviewer.token"), "utf8")}` };
    const pending = async () => {
      const response = await fetch(`${first.ready.url}/api/approvals?limit=200`, { headers: reviewer });
      return ((await response.json()) as { items: { id: string; action: string }[] }).items;
    };
    const before = await until(
      "all are pending",
      async () => {
        const items = await pending();
        return items.length === PENDING && items;
      },
      90_000,
    );

    first.command.send("SIGKILL");
    await first.command.ended;
    const second = await startInbox(t, folder, Number(new URL(first.ready.url).port));
    assert.equal(second.ready.url, first.ready.url);
    assert.deepEqual(await pending(), before);
    for (const { id, action } of before) {
      const decision = Number(action.slice("act ".length)) % 2 === 0 ? "approved" : "denied";
      const response = await fetch(`${first.ready.url}/workspaces/demo/approvals/${id}/decide`, {
        method: "POST",
        headers: { ...reviewer, "content-type": "application/json" },
        body: JSON.stringify({ decision }),
      });
      assert.equal(response.status, 200);
    }
    const statuses = (await Promise.all(results)).map(({ status }) => status);
    assert.deepEqual(
      statuses,
      Array.from({ length: PENDING }, (_, n) => (n % 2 === 0 ? "approved" : "denied")),
    );
  },
);

test(
  "its commands make, list and revoke tokens and make login links, while it runs and while it does not",
  { timeout: 120_000 },
  async (t) => {
    const folder = folderFor(t);
    const { command: inbox, ready } = await startInbox(t, folder, 0);
    const run = async (...args: string[]) => {
      const command = startCommand(t, ["inbox", ...args, "--data", folder], { cwd: folder });
      return { code: await command.ended, out: command.stdout().trim(), err: command.stderr() };
    };
    const list = async () =>
      (
        JSON.parse((await run("token", "list", "--json")).out) as {
          tokens: { id: string; subject: string; revoked_at: string | null }[];
        }
      ).tokens;

    const made = await run("token", "create", "--reviewer", "Ada Lovelace");
    assert.match(made.out, /^[\w-]{43}$/, made.err);
    const me = async () =>
      (await fetch(`${ready.url}/api/me`, { headers: { authorization: `Bearer ${made.out}` } })).text();
    assert.equal(await me(), '{"name":"Ada Lovelace"}');
    const login = await run("login", "--reviewer", "Ada Lovelace");
    for (const url of [ready.login_url, login.out]) {
      const answer = await fetch(url, { redirect: "manual" });
      assert.equal(answer.status, 303, url);
      assert.match(answer.headers.get("set-cookie") ?? "", /^countersign_session=/);
    }
    const second = await run("--port", "0");
    assert.deepEqual(
      [second.code, /in use by another countersign inbox, process (\d+)/.exec(second.err)?.[1]],
      [2, String(inbox.pid)],
    );
    const known = await list();
    assert.deepEqual(known.map(({ subject }) => subject).toSorted(), ["Ada Lovelace", "demo", "reviewer"]);
    const { id } = known.find(({ subject }) => subject === "Ada Lovelace") as { id: string };
    assert.equal((await run("token", "revoke", id.slice(0, 13))).code, 0);
    assert.equal(await me(), '{"error":"invalid admin auth token"}');

    inbox.send("SIGTERM");
    assert.equal(await inbox.ended, 0);
    assert.notEqual((await list()).find((one) => one.id === id)?.revoked_at, null);
    for (const [args, code] of [
      [["token", "create"], 2],
      [["token", "create", "--agent", "../x"], 2],
      [["token", "create", "--reviewer", "countersign:x"], 2],
      [["token", "revoke", id], 3],
      [["token", "revoke", "nope"], 3],
      [["login", "--reviewer", "nobody"], 3],
    ] as const)
      assert.equal((await run(...args)).code, code, args.join(" "));
  },
);
