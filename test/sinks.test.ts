/** Sixty secrets, planted wherever text comes in, and looked for wherever text goes out. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ApplicationFailure } from "@temporalio/common";
import type { ApprovalHandle } from "../src/client/handle.ts";
import { main } from "../src/cli/main.ts";
import { loadConfig } from "../src/config.ts";
import { redactFailures } from "../src/process/redact-failures.ts";
import { REDACTED } from "../src/domain/redact.ts";
import { eventsOf, untilWatch, watchState } from "./support/history.ts";
import { startStack, type Stack } from "./support/stack.ts";
import { until } from "./support/until.ts";

interface Planted {
  /** What must not be seen again. */
  readonly value: string;
  /** How it stands in a text. */
  readonly text: string;
}

/** So many characters that no other secret has; the ending makes it look random to a reader too. */
function random(characters: number): string {
  const letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
  return `${[...randomBytes(characters - 3)].map((byte) => letters[byte % letters.length]).join("")}q7Z`;
}

const upper = (characters: number): string => random(characters).toUpperCase();
const hex = (bytes: number): string => randomBytes(bytes).toString("hex");
const base64 = (bytes: number): string => randomBytes(bytes).toString("base64");

/** Of the known families: docs/audit.md, "Redaction". */
const FAMILIES: readonly Planted[] = (
  [
    ["sk-«»", random(24)],
    ["sk-cp-«»", random(20)],
    ["sk-ant-api03-«»", random(32)],
    ["sk-proj-«»", random(40)],
    ["ghp_«»", random(36)],
    ["gho_«»", random(36)],
    ["ghs_«»", random(36)],
    ["ghu_«»", random(36)],
    ["ghr_«»", random(36)],
    ["github_pat_«»", random(40)],
    ["AKIA«»", upper(16)],
    ["ASIA«»", upper(16)],
    ["xoxb-«»", random(24)],
    ["xoxp-«»", random(24)],
    ["glpat-«»", random(20)],
    ["npm_«»", random(36)],
    ["AIza«»", random(35)],
    ["sk_live_«»", random(24)],
    ["rk_test_«»", random(24)],
    ["hf_«»", random(34)],
    ["cfut_«»", random(36)],
    ["mol_pk_«»", random(24)],
    ["ctx7_«»", random(20)],
    ["eyJhbGciOiJIUzI1NiJ9.«»", `${random(20)}.${random(20)}`],
    ["Bearer «»", random(20)],
    ["Authorization: Basic «»", base64(15)],
    ["Authorization: token «»", hex(12)],
    ["Cookie: sid=«»;", random(16)],
    ["https://user:«»@git.example.com/a", random(12)],
    ["postgres://admin:«»@db:5432/x", random(12)],
    ["redis://:«»@cache", random(12)],
    ["GITHUB_TOKEN=«» ", random(10)],
    ["SLACK_SECRET=«» ", random(10)],
    ["OPENAI_API_KEY=«» ", random(10)],
    ["DB_PASSWORD=«» ", random(8)],
    ["AWS_SECRET_ACCESS_KEY=«» ", random(40)],
    ["https://x.test/cb?token=«»&a=1", random(10)],
    ["Password=«»;", random(8)],
    ["api_key = «»", random(10)],
    ["client_secret: '«»'", random(10)],
    ["X-Api-Key: «»", random(12)],
    ["--api-key «» --x", random(10)],
    ["passphrase='«»'", random(12)],
    ["private_key: «»", random(20)],
    ["tokens: «»", hex(32)],
    ["the secret is «» now", base64(32)],
    ["-----BEGIN PRIVATE KEY-----«»-----END PRIVATE KEY-----", base64(24)],
  ] as const
).map(([form, value]) => ({ value, text: form.replace("«»", value) }));

/** Of our own settings: known by their exact value alone, since nothing else gives them away. */
const own = (): string => `own${random(18)}`;
const SETTINGS = {
  PLATFORM_TOKEN: own(),
  REVIEWER_TOKEN: own(),
  COUNTERSIGN_HINT_KEY: own(),
  TEMPORAL_API_KEY: own(),
  TEMPORAL_GRPC_META_X_AUTH: own(),
} as const;
const PASSWORD = own();
const DATABASE_URL = `postgresql://inbox:${PASSWORD}@db.example.com/inbox`;
const KEYS: readonly string[] = [base64(32), base64(32)];
const OWN: readonly Planted[] = [...Object.values(SETTINGS), ...KEYS].map((value) => ({ value, text: value }));
const CODED: readonly Planted[] = Object.values(SETTINGS).map((value) => ({
  value,
  text: `%3D${encodeURIComponent(value)}`,
}));
const PASSWORDS: readonly Planted[] = [{ value: PASSWORD, text: DATABASE_URL }];
const ALL: readonly Planted[] = [...FAMILIES, ...OWN, ...CODED, ...PASSWORDS];

const LOOK_ALIKES: readonly string[] = [
  "delete the production database",
  "send 500 EUR as agreed in task-2024-001",
  "pip install sk-learn-compatible-estimators",
  "sk-short",
  "ask-the-expert-panel-for-a-review",
  "ghp_short",
  "ghs_1234567890",
  "github_pat_rotation_interval_days",
  "AKIA is the prefix of a key id",
  "akiaiosfodnn7example",
  "the bearer of this letter",
  "Bearer authentication is required",
  "Authorization: required",
  "Authorization: Bearer $TOKEN",
  "https://example.com:8080/users/@me",
  "https://example.com/a?mail=x@y.org",
  "ssh://git@github.com/org/repo.git",
  "git@github.com:org/repo.git",
  "mail ops@example.com about //the/path",
  "rotate GITHUB_TOKEN and DB_PASSWORD",
  "GITHUB_TOKEN=$GH_TOKEN npm publish",
  "API_KEY=<your-api-key>",
  "HAS_SECRET=true",
  "MAX_TOKEN=4096",
  "PWD=/home/agent/project",
  "max_tokens=1000000",
  "if (token == previous) return",
  "password => handler",
  "password: required, at least twelve letters",
  "Password must contain a digit",
  "token count 128000, context 200000",
  "--token-file /run/secrets/platform",
  "--password -p",
  "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
  "approval 123e4567-e89b-12d3-a456-426614174000 of r-1",
  "cookie: the chocolate kind",
  "eyJ is how a token begins",
  "/usr/local/lib/node_modules/@temporalio/worker/lib/index.js",
  "secretary of state",
  "passwordless login",
];

/** The parts of texts that fit into one action. */
function inParts(planted: readonly Planted[], characters: number): readonly string[] {
  const parts: string[] = [];
  for (const { text } of planted) {
    const last = parts.at(-1);
    if (last === undefined || last.length + text.length + 3 > characters) parts.push(text);
    else parts[parts.length - 1] = `${last} | ${text}`;
  }
  return parts;
}

const EVERYTHING = ALL.map(({ text }) => text).join(" | ");

function assertClean(sink: string, text: string, planted: readonly Planted[] = ALL): void {
  assert.ok(text.length > 0, `${sink} holds something`);
  const found = planted.filter(({ value }) => text.includes(value) || text.includes(encodeURIComponent(value)));
  assert.deepEqual(
    found.map((one) => one.text),
    [],
    sink,
  );
}

/** The failures in a history, which are texts for people: everything else in it is the request itself. */
function failuresIn(value: unknown): string {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return "";
  return Object.entries(value)
    .map(([key, item]) => (/failure|^summary$|^details$/i.test(key) ? JSON.stringify(item) : failuresIn(item)))
    .join("\n");
}

describe("sixty planted secrets", () => {
  let stack: Stack;
  let env: Record<string, string>;

  before(async () => {
    stack = await startStack({
      env: { ...SETTINGS, TEMPORAL_TLS: "false" },
      // Whom the platform lets in everywhere, so that the people's commands can list.
      platform: { adminToken: SETTINGS.REVIEWER_TOKEN },
      worker: false,
      bridge: false,
    });
    stack.platform.setToken(stack.workspaceId, SETTINGS.PLATFORM_TOKEN);
    env = { ...(stack.env as Record<string, string>), DATABASE_URL };
    stack.startWorker();
    stack.startBridge();
  });
  after(() => stack.stop());

  const run = async (args: readonly string[], over: Record<string, string> = {}) => {
    const written = { out: "", err: "" };
    const code = await main(args, {
      out: (text) => void (written.out += `${text}\n`),
      err: (text) => void (written.err += `${text}\n`),
      colour: { out: false, err: false },
      env: { ...env, ...over },
      onInterrupt: () => () => {},
      exitCode: 0,
    });
    return { code, ...written };
  };

  /** All but the payload keys: with them in place nothing in Temporal could be looked into here. They are looked for below. */
  const known = ALL.filter(({ value }) => !KEYS.includes(value));
  const texts = known.map(({ text }) => text).join(" | ");

  test("are sixty, and look-alikes forty", () => {
    assert.ok(ALL.length >= 60, String(ALL.length));
    assert.ok(LOOK_ALIKES.length >= 40, String(LOOK_ALIKES.length));
    assert.equal(new Set([...FAMILIES, ...OWN].map(({ value }) => value)).size, FAMILIES.length + OWN.length);
  });

  test("in a request and in its decision reach the platform, and no record, log, summary, detail, memo or output", async () => {
    stack.platform.onList = (items) => items.map((item) => ({ ...item, comment: texts }));
    const context = { all: texts, [FAMILIES[4]?.text ?? ""]: 1, password: "hunter2-hunter2" };
    const handles: ApprovalHandle[] = [];
    const names = inParts(known, 240);
    const person = () => names[handles.length % names.length] ?? "";
    for (const [at, action] of inParts(known, 700).entries()) {
      const handle = await stack.approvals.start(action, texts, { context, requestId: `planted-${at}` });
      handles.push(handle);
      const approval = await stack.platform.nextApproval(stack.workspaceId);
      assert.deepEqual([approval.action, approval.reason], [action, texts], "a person sees exactly what will be done");

      const workflow = stack.temporal.workflow.getHandle(handle.workflowId);
      const details = await until("the current details", async () => {
        const { currentDetails = "" } = await workflow.query<{ currentDetails?: string }>(
          "__temporal_workflow_metadata",
        );
        return currentDetails.includes(approval.id) && currentDetails;
      });
      assertClean("current details", details);
      const description = await workflow.describe();
      assertClean("summary", String(await description.staticSummary()));
      assertClean("details", String(await description.staticDetails()));
      assertClean("memo", JSON.stringify(description.memo));
      assertClean("state", JSON.stringify(await handle.state()));

      for (const args of [["list"], ["list", "--json"]]) {
        const { out, err } = await run(args);
        assert.ok(out.includes(approval.id));
        assertClean(args.join(" "), out + err);
      }
      const json = await run(["show", handle.workflowId, "--json"]);
      const { request, ...rest } = JSON.parse(json.out) as { request: { action: string } };
      assertClean("show --json, beside the request", JSON.stringify(rest) + json.err);
      assertClean("show --json, the request", JSON.stringify(request), [...CODED, ...PASSWORDS]);
      const [family] = FAMILIES.filter(({ text }) => action.includes(text));
      if (family !== undefined) assert.ok(request.action.includes(family.text), "who decides sees the exact action");
      const text = await run(["show", handle.workflowId]);
      assertClean("show", text.out.replace(/^(?:Action|Reason|Context) .*$/gm, "") + text.err);
      assertClean("show, own secrets", text.out, [...CODED, ...PASSWORDS]);

      stack.platform.decide(approval.id, at === 0 ? "denied" : "approved", person());
      const result = await handle.result();
      assert.equal(result.status, at === 0 ? "denied" : "approved");
      const ended = await run(["show", handle.workflowId]);
      assertClean("show, the decision", ended.out.replace(/^(?:Action|Reason|Context) .*$/gm, ""));
      for (const args of [[], ["--json"]]) {
        const context = { all: "" };
        const again = ["request", "another", "--request-id", `line-${at}${args.length}`, "-c", JSON.stringify(context)];
        const printed = run([...again, ...args]);
        const next = await stack.platform.nextApproval(stack.workspaceId);
        stack.platform.decide(next.id, "denied", person());
        const { out, err } = await printed;
        assert.match(out, /REDACTED/);
        assertClean("request, its result", out + err);
      }
    }
    assertClean("audit log", readFileSync(stack.config.audit.path, "utf8"));
    assertClean("logs of worker and bridge", [...stack.log, " "].join("\n"));
  });

  test("in the troubles of a platform, of roles, of the audit log and of a worker are in no error that anybody is told", async () => {
    const body = `<html>${EVERYTHING}</html>`;
    const failures: string[] = [];
    for (const status of [400, 201, 302]) {
      const fault = stack.platform.fault({
        method: "POST",
        path: /approvals$/,
        answer: { status, body, headers: { location: `http://127.0.0.1:1/?token=${FAMILIES[0]?.value}` } },
      });
      const handle = await stack.approvals.start("refused", "", { requestId: `refused-${status}`, timeoutSeconds: 2 });
      const result = await handle.result();
      fault.remove();
      assert.ok(result.status === "failed");
      failures.push(result.error, JSON.stringify(failuresIn(await eventsOf(stack.temporal, handle.workflowId))));
    }
    const roles = join(stack.config.configFolder, "config.yaml");
    const [first = "", second = ""] = known.map(({ text }) => text);
    for (const yaml of [
      `rbac: {roles: ${JSON.stringify(known.map(({ text }) => text))}}`,
      `rbac: {roles: [a], "${first}": 1, "${first}": 2}`,
      `rbac: ["${second}"`,
      `rbac: !!${FAMILIES[4]?.text} 1`,
    ]) {
      writeFileSync(roles, yaml);
      const result = await stack.approvals.request("forbidden", "");
      assert.ok(result.status === "forbidden", result.status);
      failures.push(result.error);
    }
    writeFileSync(roles, "");
    assertClean("error texts", failures.join("\n"));
    assert.match(failures.join("\n"), /REDACTED/);

    // A path is a text from outside too: under a file there is no folder.
    const bad = {
      AUDIT_REQUIRED: "false",
      AUDIT_LOG_PATH: `${stack.config.audit.path}/${OWN[0]?.text}/${FAMILIES[4]?.text}`,
    };
    const sick = stack.startWorker(bad);
    await untilWatch(stack.temporal, stack.workspaceId, "a worker in trouble", ({ workers }) =>
      Object.values(workers).some((problems) => problems.some((problem) => problem.startsWith("audit"))),
    );
    assertClean("the watch", JSON.stringify(await watchState(stack.temporal, stack.workspaceId)));
    assertClean(
      "failures of the watch",
      `. ${failuresIn(await eventsOf(stack.temporal, `watch:${stack.workspaceId}`))}`,
    );
    for (const args of [["doctor"], ["doctor", "--json"]]) {
      const { out, err } = await run(args, bad);
      assert.match(out, /REDACTED/);
      assertClean(args.join(" "), out + err);
    }
    await sick.stop();
    for (const id of [OWN[0]?.text ?? "", FAMILIES[4]?.text ?? ""]) {
      const { err, code } = await run(["show", id]);
      assert.equal(code, 3);
      assertClean("an id that nobody has", err);
    }
    assertClean("audit log", readFileSync(stack.config.audit.path, "utf8"));
    assertClean("logs of worker and bridge", [...stack.log, " "].join("\n"));
  });

  test("in what an activity throws are in none of its words, however deep the cause", async () => {
    const interceptor = redactFailures(loadConfig(env).secrets);
    const { inbound } = interceptor({} as Parameters<typeof interceptor>[0]);
    const cause = new TypeError(texts);
    const failure = ApplicationFailure.create({ message: `it failed: ${texts}`, type: "ERR_AUDIT", cause });
    const execute = inbound?.execute?.bind(inbound);
    assert.ok(execute);
    const thrown = await execute({ args: [], headers: {} }, () => Promise.reject(failure)).catch(
      (error: unknown) => error,
    );
    assert.equal(thrown, failure, "its type says whether it is tried again");
    for (const { message, stack = "" } of [failure, cause]) {
      assert.match(message, /REDACTED/);
      assertClean("a failure", message + stack);
    }
  });

  test("in the wrong variables are in no error of the configuration", () => {
    const names = [
      "WORKSPACE_ID",
      "PLATFORM_URL",
      "PLATFORM_ORIGIN",
      "APPROVAL_TIMEOUT",
      "AUDIT_REQUIRED",
      "COUNTERSIGN_TASK_QUEUE",
      "COUNTERSIGN_PAYLOAD_KEYS",
      "TEMPORAL_ADDRESS",
      "TEMPORAL_TLS",
      "PLATFORM_TOKEN_FILE",
    ];
    for (const { value, text } of ALL) {
      for (const name of names) {
        assert.throws(
          () =>
            loadConfig(
              { ...SETTINGS, DATABASE_URL, COUNTERSIGN_PAYLOAD_KEYS: `a:${KEYS[0]},b:${KEYS[1]}`, [name]: `${text} !` },
              { database: true },
            ),
          ({ code, message }: { code: string; message: string }) => code === "ERR_CONFIG" && !message.includes(value),
          `${name}=${text}`,
        );
      }
    }
  });

  test("leave forty look-alikes alone, in the record, in the details and in what is printed", async () => {
    stack.platform.onList = undefined;
    const reason = LOOK_ALIKES.join(" | ");
    const person = LOOK_ALIKES.slice(0, 8).join(" | ");
    const handle = await stack.approvals.start("look-alikes", reason);
    const approval = await stack.platform.nextApproval(stack.workspaceId);
    const description = await stack.temporal.workflow.getHandle(handle.workflowId).describe();
    assert.equal(await description.staticDetails(), reason);
    const { out } = await run(["show", handle.workflowId]);
    assert.ok(out.includes(reason) && !out.includes(REDACTED));
    stack.platform.decide(approval.id, "denied", person);
    const { trace_id } = await handle.result();
    const [requested, denied] = stack.audit(trace_id);
    assert.equal(requested?.["reason_text"], reason);
    assert.equal(denied?.["decided_by"], person);
  });
});
