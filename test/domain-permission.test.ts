import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { createCheckPermission } from "../src/activities/check-permission.ts";
import { isAllowed, mayRequest, type AllowedActions } from "../src/domain/permission.ts";
import type { Permission } from "../src/domain/ports.ts";

const ACTIONS = ["delegate", "approve", "memory.read", "memory.write"];
const NONE: AllowedActions = new Map();

test("gives each built-in role exactly the actions of the original table", () => {
  const table: Record<string, string> = {
    admin: "yes yes yes yes",
    operator: "yes yes yes yes",
    "read-only": "no no yes no",
    "no-delegation": "no yes yes yes",
    "no-approval": "yes no yes yes",
    "memory-readonly": "no no yes no",
  };
  for (const [role, row] of Object.entries(table)) {
    const got = ACTIONS.map((action) => (isAllowed(action, [role], NONE) ? "yes" : "no")).join(" ");
    assert.equal(got, row, role);
  }
});

test("lets admin do anything, whatever allowed_actions says of it", () => {
  assert.equal(isAllowed("launch", ["admin"], NONE), true);
  assert.equal(mayRequest(["read-only", "admin"], new Map([["admin", []]])), true);
});

test("judges a role found in allowed_actions by that list only", () => {
  assert.equal(mayRequest(["operator"], new Map([["operator", ["memory.read"]]])), false);
  assert.equal(mayRequest(["read-only"], new Map([["read-only", ["approve"]]])), true);
  assert.equal(mayRequest(["deployer"], new Map([["deployer", ["approve"]]])), true);
  assert.equal(mayRequest(["deployer"], new Map([["deployer", []]])), false);
});

test("grants when any one of several roles grants", () => {
  assert.equal(mayRequest(["read-only", "no-delegation"], NONE), true);
  assert.equal(mayRequest(["read-only", "no-approval"], NONE), false);
});

test("grants nothing to no role, an unknown one, one spelled otherwise, or a wildcard", () => {
  const names = ["", " ", "Operator", "ADMIN", "admin ", " operator", "operator\n", "*", "opеrator"];
  for (const roles of [[], ...names.map((name) => [name])]) assert.equal(mayRequest(roles, NONE), false, String(roles));
  assert.equal(mayRequest(["any"], new Map([["any", ["*", "Approve", "approve ", "disapprove"]]])), false);
});

test("finds no role on an object's prototype", () => {
  for (const role of Object.getOwnPropertyNames(Object.prototype)) {
    for (const action of ["approve", "constructor", "toString", "has"]) {
      assert.equal(isAllowed(action, [role], NONE), false, `${role} ${action}`);
    }
  }
});

test("never grants more for an unknown role added, and never depends on the order of roles", () => {
  const role = fc.constantFrom("admin", "operator", "read-only", "no-approval", "memory-readonly", "custom", "other");
  const own = fc
    .dictionary(fc.constantFrom("operator", "read-only", "custom"), fc.array(fc.constantFrom(...ACTIONS, "disapprove")))
    .map((lists) => new Map(Object.entries(lists)));
  fc.assert(
    fc.property(fc.array(role), own, fc.constantFrom(...ACTIONS), (roles, lists, action) => {
      const allowed = isAllowed(action, roles, lists);
      assert.equal(isAllowed(action, roles.toReversed(), lists), allowed);
      assert.equal(isAllowed(action, [...roles, "unknown"], lists), allowed);
      assert.equal(
        allowed,
        roles.some((one) => isAllowed(action, [one], lists)),
      );
    }),
  );
});

const SETTINGS = { timeout_seconds: 300, poll_interval_seconds: 5, use_websocket: true, audit_required: true };

async function workspace(t: { after(fn: () => Promise<void>): void }) {
  const folder = await mkdtemp(join(tmpdir(), "countersign-rbac-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "config.yaml");
  const check = createCheckPermission({ configFolder: folder, workspaceId: "ws-1", settings: SETTINGS });
  return { folder, file, check: () => check({ workspace_id: "ws-1" }) };
}

function shortOf(permission: Permission): string {
  if (permission.kind === "allowed") return "allowed";
  return permission.kind === "forbidden" ? permission.error : `failed: ${permission.error}`;
}

const DENIED = (roles: string) =>
  `RBAC: this workspace does not have the 'approve' permission. Current roles: [${roles}]`;

test("takes a workspace without role configuration for an operator", async (t) => {
  const { folder, file, check } = await workspace(t);
  assert.deepEqual(await check(), { kind: "allowed", settings: SETTINGS });
  for (const text of [
    "",
    "\n",
    "# only a comment\n",
    "---\n",
    "hitl:\n  default_timeout: abc\n",
    "rbac: {}\n",
    "rbac:\n  other: 1\n",
  ]) {
    await writeFile(file, text);
    assert.equal(shortOf(await check()), "allowed", JSON.stringify(text));
  }
  const absent = createCheckPermission({ configFolder: join(folder, "none"), workspaceId: "ws-1", settings: SETTINGS });
  assert.equal(shortOf(await absent({ workspace_id: "ws-1" })), "allowed");
});

test("judges the configured roles, each time as the file now is", async (t) => {
  const { file, check } = await workspace(t);
  const rows: [string, string][] = [
    ["rbac:\n  roles: [read-only]\n", DENIED("'read-only'")],
    ["rbac:\n  roles: []\n", DENIED("")],
    ["rbac:\n  roles: [no-approval, 'it''s']\n", DENIED(`'no-approval', "it's"`)],
    ["rbac:\n  roles: [admin]\n", "allowed"],
    ["rbac:\n  roles: [ops]\n  allowed_actions:\n    ops: [approve]\n", "allowed"],
    ["rbac:\n  roles: [ops]\n  allowed_actions:\n    ops: [deploy]\n", DENIED("'ops'")],
    ["rbac:\n  allowed_actions:\n    operator: []\n", DENIED("'operator'")],
    ["rbac:\n  roles: [__proto__]\n  allowed_actions:\n    __proto__: [approve]\n", "allowed"],
    ["rbac:\n  roles: [__proto__, constructor]\n", DENIED("'__proto__', 'constructor'")],
    ["x: &a [approve]\nrbac:\n  roles: [ops]\n  allowed_actions:\n    ops: *a\n", "allowed"],
    ["\uFEFFrbac:\n  roles: [read-only]\n", DENIED("'read-only'")],
  ];
  for (const [text, expected] of rows) {
    await writeFile(file, text);
    assert.equal(shortOf(await check()), expected, JSON.stringify(text));
  }
});

test("sees an edit that keeps size and time of the file", async (t) => {
  const { folder, file, check } = await workspace(t);
  const long_ago = new Date(1_700_000_000_000);
  const put = async (text: string) => {
    await writeFile(join(folder, "new"), text);
    await utimes(join(folder, "new"), long_ago, long_ago);
    await rename(join(folder, "new"), file);
  };
  await put("rbac:\n  roles: [operators]\n");
  assert.equal(shortOf(await check()), DENIED("'operators'"));
  await put("rbac:\n  roles: [operator ]\n");
  assert.equal(shortOf(await check()), "allowed");
  await writeFile(file, "rbac:\n  roles: [operators]\n");
  await utimes(file, long_ago, long_ago);
  assert.equal(shortOf(await check()), DENIED("'operators'"));
});

test("forbids when the configuration is there but cannot be understood", async (t) => {
  const { file, check } = await workspace(t);
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${["b", "c", "d", "e", "f", "g"]
    .map((name, at) => `${name}: &${name} [${Array(9).fill(`*${"abcdefg"[at]}`).join(",")}]\n`)
    .join("")}rbac: {roles: [admin]}\n`;
  const rows: [string | Buffer, RegExp][] = [
    ["rbac: [admin\n", /MISSING_CHAR|BAD_INDENT/],
    ["rbac:\n\t- tab\n", /at line 2/],
    ["just text\n", /the top level must be a map/],
    ["- rbac\n", /the top level must be a map/],
    ["null\n", /the top level must be a map/],
    ["42\n", /the top level must be a map/],
    ["rbac:\n", /rbac must be a map/],
    ["rbac: null\n", /rbac must be a map/],
    ["rbac: [admin]\n", /rbac must be a map/],
    ["rbac: admin\n", /rbac must be a map/],
    ["rbac: true\n", /rbac must be a map/],
    ["rbac:\n  roles:\n", /rbac\.roles must be a list of strings/],
    ["rbac:\n  roles: operator\n", /rbac\.roles must be a list of strings/],
    ["rbac:\n  roles: {admin: true}\n", /rbac\.roles must be a list of strings/],
    ["rbac:\n  roles: [admin, 1]\n", /rbac\.roles must be a list of strings/],
    ["rbac:\n  roles: [admin, [x]]\n", /rbac\.roles must be a list of strings/],
    ["rbac:\n  roles: [admin, null]\n", /rbac\.roles must be a list of strings/],
    ["rbac:\n  roles: [admin, x: 1]\n", /rbac\.roles must be a list of strings/],
    ["rbac:\n  roles: [admin]\n  allowed_actions:\n", /rbac\.allowed_actions must be a map of lists/],
    ["rbac:\n  roles: [admin]\n  allowed_actions: []\n", /rbac\.allowed_actions must be a map of lists/],
    ["rbac:\n  roles: [admin]\n  allowed_actions: approve\n", /rbac\.allowed_actions must be a map of lists/],
    ["rbac:\n  roles: [admin]\n  allowed_actions: {ops: approve}\n", /rbac\.allowed_actions must be a map of lists/],
    ["rbac:\n  roles: [admin]\n  allowed_actions: {ops: null}\n", /rbac\.allowed_actions must be a map of lists/],
    ["rbac:\n  roles: [admin]\n  allowed_actions: {ops: [1]}\n", /rbac\.allowed_actions must be a map of lists/],
    ["rbac:\n  roles: [admin]\n  allowed_actions: {1: [approve]}\n", /rbac\.allowed_actions must be a map of lists/],
    ["rbac:\n  roles: [admin]\n  roles: [admin]\n", /a key stands twice in one map at line 3, column 3/],
    ["rbac: {roles: [admin]}\n'rbac': {roles: [admin]}\n", /a key stands twice in one map at line 2, column 1/],
    ["a: 1\na: 2\nrbac: {roles: [admin]}\n", /a key stands twice in one map at line 2, column 1/],
    ["x: &k a\n*k : 1\nrbac: {roles: [admin]}\n", /an alias stands where a key is expected/],
    ["rbac: {roles: [admin]}\n---\nrbac: {roles: [admin]}\n", /MULTIPLE_DOCS/],
    ["rbac: {roles: !!js/function [admin]}\n", /TAG_RESOLVE_FAILED/],
    ["rbac: {roles: [!secret admin]}\n", /TAG_RESOLVE_FAILED/],
    ["rbac: {roles: *missing}\n", /[Uu]nresolved alias/],
    [bomb, /[Aa]lias/],
    [`x: ${"[".repeat(70)}${"]".repeat(70)}\nrbac: {roles: [admin]}\n`, /nested deeper than 64 levels/],
    ["[".repeat(200_000), /RESOURCE_EXHAUSTION/],
    [`rbac: {roles: [admin]}\n#${"x".repeat(256 * 1024)}\n`, /it is larger than 262144 bytes/],
    [Buffer.concat([Buffer.from("rbac: {roles: [admin]}\n# "), Buffer.from([0xff, 0xfe])]), /it is not UTF-8/],
    [Buffer.from("rbac: {roles: [\u00e9]}\n", "utf16le"), /it is not UTF-8/],
  ];
  for (const [text, why] of rows) {
    await writeFile(file, text);
    const got = await check();
    const shown = JSON.stringify(String(text).slice(0, 60));
    assert.equal(got.kind, "forbidden", shown);
    assert.match(shortOf(got), /^RBAC: the configuration cannot be read: [^\n]*config\.yaml: /, shown);
    assert.match(shortOf(got), why, shown);
  }
});

test("forbids when config.yaml is a folder or a link to nothing", async (t) => {
  const { folder, file, check } = await workspace(t);
  await mkdir(file);
  assert.match(shortOf(await check()), /cannot be read: .*config\.yaml: it is not a regular file/);
  await rm(file, { recursive: true });
  await symlink(join(folder, "gone"), file);
  assert.match(shortOf(await check()), /cannot be read: .*config\.yaml: it is a link to a file that does not exist/);
});

test("does not repeat the file's text in the error", async (t) => {
  const { file, check } = await workspace(t);
  await writeFile(file, "db:\n  password: hunter2-hunter2\n password: x\n");
  const error = shortOf(await check());
  assert.match(error, /line 3, column \d+/);
  assert.doesNotMatch(error, /hunter2/);
});

test("reads a file of many keys in well under a second", async (t) => {
  const { file, check } = await workspace(t);
  const keys = Array.from({ length: 30_000 }, (_, n) => `k${n}:\n`).join("");
  await writeFile(file, `${keys}rbac: {roles: [read-only]}\n`);
  const start = performance.now();
  assert.equal(shortOf(await check()), DENIED("'read-only'"));
  assert.ok(performance.now() - start < 2_000);
});

test("refuses to answer for a workspace that this worker does not serve", async (t) => {
  const { folder } = await workspace(t);
  const check = createCheckPermission({ configFolder: folder, workspaceId: "ws-1", settings: SETTINGS });
  const got = await check({ workspace_id: "ws-2" });
  assert.equal(got.kind, "failed");
  assert.match(shortOf(got), /^failed: This worker serves workspace ws-1, not ws-2; /);
});
