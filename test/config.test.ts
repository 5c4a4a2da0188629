import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadConfig, requireWorkspace } from "../src/config.ts";
import { ApprovalError } from "../src/domain/errors.ts";
import { createHealth } from "../src/health.ts";
import { createLogger } from "../src/log.ts";

/** A machine with just these files. */
function machineWith(files: Readonly<Record<string, string>> = {}) {
  return {
    exists: (path: string) => path in files,
    read(path: string) {
      const text = files[path];
      if (text === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
      return text;
    },
  };
}

const load = (env: Record<string, string>, files?: Readonly<Record<string, string>>) =>
  loadConfig({ HOME: "/nonexistent", ...env }, { machine: machineWith(files) });

function problemOf(env: Record<string, string>, files?: Readonly<Record<string, string>>): string {
  let message = "";
  assert.throws(
    () => load(env, files),
    (error: unknown) => {
      assert.ok(error instanceof ApprovalError && error.code === "ERR_CONFIG");
      message = error.message;
      return true;
    },
    JSON.stringify(env),
  );
  return message;
}

describe("the configuration", () => {
  test("has the documented defaults", () => {
    const { temporal, ...config } = load({});
    assert.deepEqual(config, {
      workspaceId: undefined,
      platform: { url: "http://localhost:8080" },
      reviewer: {},
      approvalTimeoutSeconds: 300,
      pollIntervalSeconds: 5,
      useWebSocket: true,
      audit: { path: "/var/log/molecule/audit.jsonl", required: true },
      taskQueue: undefined,
      bridgeTaskQueue: undefined,
      heartbeatSeconds: 10,
      maxStreams: 1_000,
      configFolder: "/configs",
      secrets: [],
      warnings: [],
    });
    assert.equal(temporal.address, "localhost:7233");
    assert.equal(temporal.namespace, "default");
    assert.deepEqual(temporal.connectionOptions, { address: "localhost:7233" });
  });

  test("takes every setting from the environment", () => {
    const config = load({
      WORKSPACE_ID: "ws-1",
      PLATFORM_URL: " https://platform.test/prefix/ ",
      PLATFORM_TOKEN: "agent-token-1",
      PLATFORM_ORIGIN: "https://canvas.test",
      PLATFORM_ORG_ID: "org-1",
      REVIEWER_TOKEN: "reviewer-token-1",
      APPROVAL_TIMEOUT: "1.5",
      APPROVAL_POLL_INTERVAL: ".25",
      APPROVAL_USE_WEBSOCKET: "False",
      AUDIT_LOG_PATH: "/tmp/a.jsonl",
      AUDIT_REQUIRED: "FALSE",
      COUNTERSIGN_TASK_QUEUE: "queue/1",
      COUNTERSIGN_HEARTBEAT: "5",
      COUNTERSIGN_HINT_KEY: "0123456789abcdef",
      COUNTERSIGN_MAX_STREAMS: "7",
      WORKSPACE_CONFIG_PATH: "/etc/ws",
      TEMPORAL_ADDRESS: "temporal.test:7233",
      TEMPORAL_NAMESPACE: "people",
      TEMPORAL_API_KEY: "temporal-key-1",
    });
    assert.deepEqual(
      { ...config, temporal: undefined },
      {
        workspaceId: "ws-1",
        platform: {
          url: "https://platform.test/prefix",
          origin: "https://canvas.test",
          orgId: "org-1",
          token: "agent-token-1",
        },
        reviewer: { token: "reviewer-token-1" },
        approvalTimeoutSeconds: 1.5,
        pollIntervalSeconds: 0.25,
        useWebSocket: false,
        audit: { path: "/tmp/a.jsonl", required: false },
        taskQueue: "queue/1",
        bridgeTaskQueue: "queue/1-bridge",
        heartbeatSeconds: 5,
        hintKey: "0123456789abcdef",
        maxStreams: 7,
        configFolder: "/etc/ws",
        temporal: undefined,
        secrets: ["agent-token-1", "reviewer-token-1", "0123456789abcdef", "temporal-key-1"],
        warnings: [],
      },
    );
    assert.equal(config.temporal.address, "temporal.test:7233");
    assert.equal(config.temporal.namespace, "people");
    const { apiKey, tls } = config.temporal.connectionOptions;
    assert.deepEqual({ apiKey, tls }, { apiKey: "temporal-key-1", tls: true });
  });

  test("counts an empty variable as unset", () => {
    const names =
      "WORKSPACE_ID PLATFORM_URL PLATFORM_TOKEN PLATFORM_TOKEN_FILE PLATFORM_ORIGIN PLATFORM_ORG_ID REVIEWER_TOKEN REVIEWER_TOKEN_FILE APPROVAL_TIMEOUT APPROVAL_POLL_INTERVAL APPROVAL_USE_WEBSOCKET AUDIT_LOG_PATH AUDIT_REQUIRED COUNTERSIGN_TASK_QUEUE COUNTERSIGN_HEARTBEAT COUNTERSIGN_HINT_KEY COUNTERSIGN_HINT_KEY_FILE COUNTERSIGN_MAX_STREAMS WORKSPACE_CONFIG_PATH DOCKER_VERSION TEMPORAL_ADDRESS TEMPORAL_NAMESPACE TEMPORAL_API_KEY TEMPORAL_TLS TEMPORAL_PROFILE TEMPORAL_CONFIG_FILE";
    for (const empty of ["", "  \t"]) {
      const env = Object.fromEntries(names.split(" ").map((name) => [name, empty]));
      assert.deepEqual(load(env), load({}));
    }
  });

  test("derives the queues from the workspace, and can insist on one", () => {
    const config = requireWorkspace(load({ WORKSPACE_ID: "ws-1" }));
    assert.equal(config.taskQueue, "approvals-ws-1");
    assert.equal(config.bridgeTaskQueue, "approvals-ws-1-bridge");
    const message =
      "The configuration is wrong: WORKSPACE_ID is not set; set it to this workspace's id, 1 to 128 of the characters A-Z a-z 0-9 . _ -";
    assert.throws(() => requireWorkspace(load({})), { code: "ERR_CONFIG", message });
    assert.throws(() => loadConfig({}, { require: ["workspace"], machine: machineWith() }), {
      code: "ERR_CONFIG",
      message,
    });
  });

  test("finds the platform on the host when it runs in a container", () => {
    const url = (env: Record<string, string>, files?: Record<string, string>) => load(env, files).platform.url;
    const outside = "http://host.docker.internal:8080";
    assert.equal(url({ DOCKER_VERSION: "27" }), outside);
    assert.equal(url({}, { "/.dockerenv": "" }), outside);
    assert.equal(url({}, { "/run/.containerenv": "" }), outside);
    assert.equal(url({ PLATFORM_URL: "http://127.0.0.1:9" }, { "/.dockerenv": "" }), "http://127.0.0.1:9");
  });

  test("warns of a token that would travel in the clear, and of nothing else", () => {
    const warnings = (url: string) => load({ PLATFORM_URL: url }).warnings;
    for (const url of ["http://platform.test", "http://10.0.0.1:8080", "http://localhost.evil.test", "http://[::2]/"]) {
      assert.match(warnings(url).join(), /^PLATFORM_URL http:\/\/\S+ is not encrypted/, url);
    }
    for (const url of [
      "https://platform.test",
      "http://localhost",
      "http://a.localhost",
      "http://127.9.9.9",
      "http://[::1]:80",
    ]) {
      assert.deepEqual(warnings(url), [], url);
    }
    assert.match(load({ COUNTERSIGN_HINT_KEY: "short" }).warnings.join(), /^COUNTERSIGN_HINT_KEY has 5 characters/);
  });

  test("refuses what it cannot use, naming the setting, what was found and what is allowed", () => {
    const rows: [string, string, RegExp][] = [
      ["WORKSPACE_ID", "a/b", /WORKSPACE_ID is "a\/b"; allowed: this workspace's id, 1 to 128/],
      ["WORKSPACE_ID", "..", /WORKSPACE_ID is "\.\."/],
      ["WORKSPACE_ID", "a\r\nX-Evil: 1", /WORKSPACE_ID is "a\\u\{d\}\\u\{a\}X-Evil: 1"/],
      ["PLATFORM_URL", "platform:8080", /PLATFORM_URL is "platform:8080"; allowed: an http or https URL/],
      ["PLATFORM_URL", "ftp://platform", /PLATFORM_URL is "ftp:\/\/platform"/],
      ["PLATFORM_URL", "http://x/?a=1", /PLATFORM_URL is "http:\/\/x\/\?a=1"/],
      ["PLATFORM_URL", "http://x/#a", /PLATFORM_URL is/],
      ["PLATFORM_URL", "nonsense", /PLATFORM_URL is "nonsense"/],
      ["PLATFORM_ORIGIN", "canvas.test", /PLATFORM_ORIGIN is "canvas.test"; allowed: an origin/],
      ["PLATFORM_ORIGIN", "https://canvas.test/path", /PLATFORM_ORIGIN is/],
      ["PLATFORM_ORIGIN", "null", /PLATFORM_ORIGIN is/],
      ["PLATFORM_ORG_ID", "a b", /PLATFORM_ORG_ID is "a b"; allowed: 1 to 256/],
      [
        "PLATFORM_TOKEN_FILE",
        "/none",
        /PLATFORM_TOKEN_FILE is "\/none"; allowed: a file that this process can read \(ENOENT/,
      ],
      ["APPROVAL_TIMEOUT", "0", /APPROVAL_TIMEOUT is "0"; allowed: a number of seconds above 0 and at most 31536000/],
      ["APPROVAL_TIMEOUT", "-5", /APPROVAL_TIMEOUT is "-5"/],
      ["APPROVAL_TIMEOUT", "5m", /APPROVAL_TIMEOUT is "5m"/],
      ["APPROVAL_TIMEOUT", "0x10", /APPROVAL_TIMEOUT is "0x10"/],
      ["APPROVAL_TIMEOUT", "1e999", /APPROVAL_TIMEOUT is "1e999"/],
      ["APPROVAL_TIMEOUT", "NaN", /APPROVAL_TIMEOUT is "NaN"/],
      ["APPROVAL_POLL_INTERVAL", "nan", /APPROVAL_POLL_INTERVAL is "nan"; allowed: .* at most 3600/],
      ["AUDIT_REQUIRED", "yes", /AUDIT_REQUIRED is "yes"; allowed: true or false/],
      ["COUNTERSIGN_TASK_QUEUE", "a'b", /COUNTERSIGN_TASK_QUEUE is "a'b"; allowed: 1 to 200/],
      ["COUNTERSIGN_HEARTBEAT", "301", /COUNTERSIGN_HEARTBEAT is "301"; allowed: .* at most 300/],
      ["COUNTERSIGN_MAX_STREAMS", "1.5", /COUNTERSIGN_MAX_STREAMS is "1\.5"; allowed: a whole number above 0/],
      ["TEMPORAL_ADDRESS", "http://x:7233", /TEMPORAL_ADDRESS is "http:\/\/x:7233"; allowed: host:port/],
      ["TEMPORAL_TLS", "yes", /TEMPORAL_TLS is "yes"; allowed: true or false/],
      ["TEMPORAL_PROFILE", "none", /TEMPORAL_\* and the profile file cannot be read: Profile 'none' not found/],
      ["TEMPORAL_TLS_CLIENT_CERT_PATH", "/none.pem", /TEMPORAL_\* .* cannot be read: ENOENT/],
    ];
    for (const [name, value, expected] of rows) assert.match(problemOf({ [name]: value }), expected);
  });

  test("takes anything but true and false for automatic, as the original did", () => {
    const used = (value: string) => load({ APPROVAL_USE_WEBSOCKET: value }).useWebSocket;
    assert.deepEqual(["true", "TRUE", "auto", "no", "0", "false", "FALSE", " False "].map(used), [
      true, true, true, true, true, false, false, false,
    ]); // prettier-ignore
  });

  test("reports every problem at once", () => {
    const message = problemOf({
      WORKSPACE_ID: "!",
      APPROVAL_TIMEOUT: "soon",
      PLATFORM_URL: "x",
      AUDIT_REQUIRED: "maybe",
    });
    assert.match(message, /^The configuration has 4 problems:\n\(1\) /);
    for (const name of ["WORKSPACE_ID", "APPROVAL_TIMEOUT", "PLATFORM_URL", "AUDIT_REQUIRED"]) {
      assert.equal(message.split(`${name} is "`).length, 2, name);
    }
  });

  test("never prints a secret", () => {
    const secret = "hunter2\u00e9 of the \n house";
    const names = ["PLATFORM_TOKEN", "REVIEWER_TOKEN", "COUNTERSIGN_HINT_KEY"];
    const message = problemOf(Object.fromEntries(names.map((name) => [name, secret])));
    for (const name of names)
      assert.ok(message.includes(`${name} is a value of ${secret.length} characters (not shown)`));
    assert.doesNotMatch(message, /hunter2|house/);
    for (const url of [
      "http://user:hunter2@x/",
      "https://hunter2@x",
      "ftp://u:hunter2@x",
      "u:hunter2@x",
      "http://u:hunter2@x:99999999/",
    ]) {
      const refused = problemOf({ PLATFORM_URL: url });
      assert.doesNotMatch(refused, /hunter2/, url);
      assert.match(refused, /PLATFORM_URL has credentials in it \(not shown\)/, url);
    }
    assert.doesNotMatch(problemOf({ REVIEWER_TOKEN_FILE: "/t" }, { "/t": secret }), /hunter2|house/);
  });

  test("does not repeat a broken profile file, which may hold the key", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "countersign-config-"));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, "temporal.toml");
    await writeFile(file, '[profile.default]\naddress = "x:1"\napi_key = "hunter2-hunter2\n');
    const message = problemOf({ TEMPORAL_CONFIG_FILE: file });
    assert.match(message, /TEMPORAL_\* and .*temporal\.toml cannot be read: Invalid TOML/);
    assert.doesNotMatch(message, /hunter2/);
  });

  test("reads the Temporal profile that the environment names, and lets variables win", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "countersign-config-"));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, "temporal.toml");
    const profile =
      '[profile.prod]\naddress = "prod:7233"\nnamespace = "p"\napi_key = "profile-key"\n[profile.prod.grpc_meta]\nx-auth-token = "meta-secret"\nx-team = "blue"\n';
    await writeFile(file, profile);
    const config = load({ TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: "prod", TEMPORAL_NAMESPACE: "other" });
    assert.equal(config.temporal.address, "prod:7233");
    assert.equal(config.temporal.namespace, "other");
    assert.deepEqual(config.secrets, ["profile-key", "meta-secret"]);
  });

  test("knows the content of token files, and names the file for a later reading", () => {
    const files = { "/agent": "agent-secret\n", "/reviewer": " reviewer-secret ", "/key": "0123456789abcdef\n" };
    const config = load(
      { PLATFORM_TOKEN_FILE: "/agent", REVIEWER_TOKEN_FILE: "/reviewer", COUNTERSIGN_HINT_KEY_FILE: "/key" },
      files,
    );
    assert.deepEqual(config.platform, { url: "http://localhost:8080", tokenFile: "/agent" });
    assert.deepEqual(config.reviewer, { tokenFile: "/reviewer" });
    assert.equal(config.hintKey, "0123456789abcdef");
    assert.deepEqual(config.secrets, ["agent-secret", "reviewer-secret", "0123456789abcdef"]);
  });

  test("reads DATABASE_URL for the inbox only, and keeps it and its password secret", () => {
    const url = "postgresql://ada:p%40ss-of-ada@db:5432/inbox";
    const machine = { exists: () => false, read: () => `${url}\n` };
    const other = { DATABASE_URL: "mysql://root:hunter2@db/app" };
    assert.equal("databaseUrl" in loadConfig(other, { machine }), false);
    for (const env of [{ DATABASE_URL: url }, { DATABASE_URL_FILE: "/database" }]) {
      const config = loadConfig(env, { machine, database: true });
      assert.equal(config.databaseUrl, url);
      assert.deepEqual(config.secrets, [url, "p%40ss-of-ada", "p@ss-of-ada"]);
    }
    assert.throws(
      () => loadConfig(other, { machine, database: true }),
      (error: Error) =>
        /DATABASE_URL is not the address of a PostgreSQL/.test(error.message) && !/hunter2/.test(error.message),
    );
  });

  test("uses the platform's own token file where it is present and nothing else is set", () => {
    const files = { "/configs/.auth_token": "rotated", "/other": "other" };
    assert.equal(load({}, files).platform.tokenFile, "/configs/.auth_token");
    assert.deepEqual(load({ PLATFORM_TOKEN: "mine" }, files).platform, { url: "http://localhost:8080", token: "mine" });
    assert.equal(load({ PLATFORM_TOKEN_FILE: "/other" }, files).platform.tokenFile, "/other");
    assert.match(load({}, { "/configs/.auth_token": "" }).warnings.join(), /is empty/);
  });

  test("refuses a token file that is a folder, too large or not readable", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "countersign-config-"));
    t.after(() => rm(folder, { recursive: true }));
    const big = join(folder, "big");
    await writeFile(big, "x".repeat(65 * 1024));
    await chmod(big, 0o600);
    for (const [file, why] of [
      [folder, /it is not a regular file/],
      [big, /it is larger than 65536 bytes/],
      [join(folder, "none"), /ENOENT/],
    ] as const) {
      assert.throws(() => loadConfig({ HOME: folder, REVIEWER_TOKEN_FILE: file }), {
        code: "ERR_CONFIG",
        message: why,
      });
    }
  });

  test("is frozen, and not the environment", () => {
    const config = requireWorkspace(load({ WORKSPACE_ID: "ws-1" }));
    for (const part of [
      config,
      config.platform,
      config.reviewer,
      config.audit,
      config.temporal,
      config.secrets,
      config.warnings,
    ]) {
      assert.ok(Object.isFrozen(part));
    }
  });
});

describe("the log", () => {
  function logged(secrets: readonly string[] = []) {
    const lines: string[] = [];
    return {
      lines,
      log: createLogger({ name: "worker", secrets, destination: { write: (line: string) => lines.push(line) } }),
    };
  }

  test("writes one JSON line per message, with level, time and name", () => {
    const { lines, log } = logged();
    log.debug("not shown");
    log.info({ workspace_id: "ws-1" }, "started");
    assert.equal(lines.length, 1);
    const entry = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
    assert.match(String(entry["time"]), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(
      { ...entry, time: 0 },
      { level: "info", time: 0, pid: process.pid, name: "worker", workspace_id: "ws-1", msg: "started" },
    );
  });

  test("lets no secret through, in the message, a field, a key, a nested value or an error", () => {
    const { lines, log } = logged(["hunter-two"]);
    const cause = new Error("cause with hunter-two");
    log.warn(
      { a: ["hunter-two", { token: "abc" }], "hunter-two": 1, err: new Error("of hunter-two", { cause }) },
      "m hunter-two Bearer a1b2c3d4e5f6",
    );
    log.error("PASSWORD=correcthorse");
    const text = lines.join("");
    assert.doesNotMatch(text, /hunter-two|"abc"|a1b2c3|correcthorse/);
    assert.match(text, /"message":"of \*\*\*REDACTED\*\*\*: cause with \*\*\*REDACTED\*\*\*"/);
  });

  test("lets no text make a second line or move a terminal's cursor", () => {
    const { lines, log } = logged();
    log.info({ action: "a\nb\u001b[2J\u202e\u2028\u200b" }, "x\r\ny\u0085");
    assert.equal(lines.length, 1);
    assert.doesNotMatch(lines[0] ?? "", /[\p{Cc}\p{Cf}\p{Zl}](?!$)/u);
    const entry = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
    assert.equal(entry["msg"], "x\\u{d}\\u{a}y\\u{85}");
    assert.equal(entry["action"], "a\\u{a}b\\u{1b}[2J\\u{202e}\\u{2028}\\u{200b}");
  });

  test("tells the code of our errors, and the stack of all others", () => {
    const { lines, log } = logged();
    log.error({ err: new ApprovalError("ERR_AUDIT", "no room") }, "ours");
    log.error({ err: new TypeError("bug") }, "theirs");
    const [ours, theirs] = lines.map((line) => (JSON.parse(line) as { err: { stack?: unknown } }).err);
    assert.deepEqual(ours, { code: "ERR_AUDIT", message: "no room" });
    assert.ok(Array.isArray(theirs?.stack) && String(theirs.stack[0]).includes("config.test"));
  });
});

test("health logs each change once, and names what is wrong now", () => {
  const lines: string[] = [];
  const log = createLogger({ name: "worker", secrets: [], destination: { write: (line: string) => lines.push(line) } });
  const health = createHealth(log);
  health.set("platform", undefined);
  health.set("platform", "401");
  health.set("platform", "401");
  health.set("audit", "disk full");
  assert.deepEqual(health.problems(), ["platform: 401", "audit: disk full"]);
  health.set("platform", "down");
  health.set("platform", undefined);
  health.set("platform", undefined);
  assert.deepEqual(health.problems(), ["audit: disk full"]);
  const told = lines.map((line) => JSON.parse(line) as { level: string; msg: string });
  assert.deepEqual(
    told.map(({ level, msg }) => `${level} ${msg}`),
    [
      "warn platform is in trouble: 401",
      "warn audit is in trouble: disk full",
      "warn platform is in trouble: down",
      "info platform is well again",
    ],
  );
});
