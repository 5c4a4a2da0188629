import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { ApprovalError, type ErrorCode } from "../src/domain/errors.ts";
import type { Listing, ListItem } from "../src/domain/platform-port.ts";
import { decodeEvent } from "../src/platform/events.ts";
import { decodeUtf8, parseJson } from "../src/platform/json.ts";
import { decodeListing } from "../src/platform/listing.ts";
import { httpDateMs, retryAfterMs } from "../src/platform/retry-after.ts";
import { createSharedList } from "../src/platform/shared-list.ts";
import { until } from "./support/until.ts";

const ITEM = {
  id: "a-1",
  task_id: "t",
  status: "pending",
  decided_by: null,
  decided_at: null,
  created_at: "2026-11-22T11:43:18.404374Z",
};

test("decodes the lists that the real platform sent", () => {
  const lists = recorded.http.filter(
    ({ request, response }) => request?.method === "GET" && Array.isArray(response?.body),
  );
  const listings = lists
    .filter(({ request }) => /^\/workspaces\/[^/]+\/approvals$/.test(request?.path ?? ""))
    .map(({ response }) => decodeListing(response?.body, "Sun, 22 Nov 2026 11:43:18 GMT"));
  assert.ok(listings.length >= 3);
  for (const listing of listings) assert.equal(listing.rejected, 0);
  const decided = listings.flatMap(({ items }) => items).find(({ status }) => status === "approved");
  assert.deepEqual(decided, {
    approval_id: "92f87722-18cf-4443-be29-ed2f11a68f36",
    task_id: "",
    status: "approved",
    decided_by: "alice@example.com",
    decided_at: "2026-11-22T11:43:18.629065Z",
    created_at: "2026-11-22T11:43:18.404374Z",
  });
  assert.equal(listings[0]?.date_ms, Date.UTC(2026, 10, 22, 11, 43, 18));
});

test("decodes the seed's minimal list, which echoes no task_id", () => {
  const listing = decodeListing([
    { id: "a-1", status: "approved", decided_by: "ann" },
    { id: "a-2", status: "pending" },
  ]);
  assert.deepEqual(listing, {
    items: [
      { approval_id: "a-1", status: "approved", decided_by: "ann" },
      { approval_id: "a-2", status: "pending", decided_by: "" },
    ],
    capped: false,
    echoes: false,
    rejected: 0,
  });
});

test("says whether a list may hide an approval and whether it echoes task ids", () => {
  const items = (count: number) => Array.from({ length: count }, (_, index) => ({ ...ITEM, id: `a-${index}` }));
  assert.deepEqual([decodeListing(items(49)).capped, decodeListing(items(50)).capped], [false, true]);
  assert.equal(decodeListing([]).echoes, undefined);
  assert.equal(decodeListing([{ ...ITEM, task_id: null }]).echoes, true);
  assert.equal(decodeListing([null]).echoes, false);
});

const BAD_ITEMS: { readonly [name: string]: unknown } = {
  "no object": "a-1",
  "a numeric id": { ...ITEM, id: 1 },
  "no id": { ...ITEM, id: undefined },
  "an unknown status": { ...ITEM, status: "escalated" },
  "a status in capitals": { ...ITEM, status: "APPROVED" },
  "a boolean decider": { ...ITEM, status: "approved", decided_by: true },
  "a decider of 2,000 characters": { ...ITEM, status: "approved", decided_by: "x".repeat(2_000) },
  "a numeric time": { ...ITEM, decided_at: 1 },
  "a numeric task_id": { ...ITEM, task_id: 7 },
  "another workspace": { ...ITEM, workspace_id: "ws-2" },
};
for (const [name, item] of Object.entries(BAD_ITEMS)) {
  test(`leaves an item with ${name} out of a list, and counts it`, () => {
    const listing = decodeListing([item, ITEM], undefined, "ws-1");
    assert.equal(listing.rejected, 1);
    assert.deepEqual(
      listing.items.map(({ approval_id }) => approval_id),
      ["a-1"],
    );
  });
}

test("takes an unreadable time for a missing one", () => {
  for (const time of ["yesterday", "2026-11-22", "2026-13-45T00:00:00Z", "1795347797935", ""]) {
    const [item] = decodeListing([{ ...ITEM, decided_at: time, created_at: time }]).items;
    assert.ok(item !== undefined && !("decided_at" in item) && !("created_at" in item), time);
  }
});

test("drops exact repetitions from a list and keeps contradictions", () => {
  const listing = decodeListing([ITEM, { ...ITEM }, { ...ITEM, status: "denied" }]);
  assert.deepEqual(
    listing.items.map(({ status }) => status),
    ["pending", "denied"],
  );
});

test("decodes every frame that the real platform sent", () => {
  const workspaceId = recorded.workspaces["child"]?.id ?? "";
  const kinds = new Map<string, number>();
  for (const { text } of recorded.ws.flatMap(({ frames }) => frames ?? [])) {
    if (text === undefined) continue;
    const { event, workspace_id } = JSON.parse(text) as { event: string; workspace_id: string };
    const { kind } = decodeEvent(text, workspaceId);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (workspace_id !== workspaceId) assert.equal(kind, "ignored", text);
    else if (event === "APPROVAL_APPROVED" || event === "APPROVAL_DENIED") assert.equal(kind, "decided", text);
    else if (event === "APPROVAL_REQUESTED") assert.equal(kind, "requested", text);
  }
  assert.ok((kinds.get("decided") ?? 0) > 5 && (kinds.get("requested") ?? 0) > 5 && !kinds.has("rejected"));
});

const REAL = { workspace_id: "ws-1", timestamp: "2026-11-22T11:43:18Z" };
const GOOD_FRAMES: readonly (readonly [string, unknown, unknown])[] = [
  [
    "the original tool's approval",
    { event: "APPROVAL_DECIDED", approval_id: "a-1", status: "approved", decided_by: "ann" },
    { kind: "decided", approval_id: "a-1", status: "approved", decided_by: "ann" },
  ],
  [
    "the original tool's denial without a decider",
    { event: "APPROVAL_DECIDED", approval_id: "a-1", status: "denied" },
    { kind: "decided", approval_id: "a-1", status: "denied" },
  ],
  [
    "the platform's approval",
    { event: "APPROVAL_APPROVED", ...REAL, payload: { approval_id: "a-1", decision: "approved", decided_by: "ann" } },
    { kind: "decided", approval_id: "a-1", status: "approved", decided_by: "ann" },
  ],
  [
    "the platform's denial with a null decider",
    { event: "APPROVAL_DENIED", ...REAL, payload: { approval_id: "a-1", decision: "denied", decided_by: null } },
    { kind: "decided", approval_id: "a-1", status: "denied" },
  ],
  [
    "the platform's request",
    { event: "APPROVAL_REQUESTED", ...REAL, payload: { approval_id: "a-1", task_id: "t-1", action: "x", reason: "" } },
    { kind: "requested", approval_id: "a-1", task_id: "t-1" },
  ],
  ["an escalation", { event: "APPROVAL_ESCALATED", ...REAL, payload: { approval_id: "a-1" } }, { kind: "ignored" }],
  ["another event", { event: "WORKSPACE_HEARTBEAT", ...REAL, payload: 5 }, { kind: "ignored" }],
  [
    "another workspace's decision",
    { event: "APPROVAL_APPROVED", workspace_id: "ws-2", payload: { approval_id: "a-1", decision: "approved" } },
    { kind: "ignored" },
  ],
  [
    "another workspace's decision in the original tool's dialect",
    { event: "APPROVAL_DECIDED", workspace_id: "ws-2", approval_id: "a-1", status: "approved" },
    { kind: "ignored" },
  ],
];
for (const [name, frame, expected] of GOOD_FRAMES) {
  test(`understands ${name}`, () => assert.deepEqual(decodeEvent(JSON.stringify(frame), "ws-1"), expected));
}

const approved = (payload: object, top: object = {}) =>
  JSON.stringify({
    event: "APPROVAL_APPROVED",
    ...REAL,
    payload: { approval_id: "a-1", decision: "approved", ...payload },
    ...top,
  });
const seed = (fields: object) =>
  JSON.stringify({ event: "APPROVAL_DECIDED", approval_id: "a-1", status: "approved", ...fields });
const BAD_FRAMES: { readonly [name: string]: string } = {
  "an empty text": "",
  "broken JSON": '{"event":"APPROVAL_APPROVED"',
  "a list": "[]",
  null: "null",
  "a numeric event name": '{"event":5}',
  "a byte order mark": `\ufeff${approved({})}`,
  "a decision that contradicts its event": approved({ decision: "denied" }),
  "an unknown decision": approved({ decision: "escalated" }),
  "a missing decision": approved({ decision: undefined }),
  "status where decision belongs": approved({ decision: undefined, status: "approved" }),
  "a missing approval id": approved({ approval_id: undefined }),
  "a numeric approval id": approved({ approval_id: 1 }),
  "an approval id of 200 characters": approved({ approval_id: "x".repeat(200) }),
  "an invisible approval id": approved({ approval_id: "\u200b" }),
  "an object as decider": approved({ decided_by: {} }),
  "a numeric time": approved({ decided_at: 5 }),
  "no workspace in the real dialect": approved({}, { workspace_id: undefined }),
  "a numeric workspace": approved({}, { workspace_id: 1 }),
  "no payload": JSON.stringify({
    event: "APPROVAL_APPROVED",
    ...REAL,
    approval_id: "a-1",
    decision: "approved",
    status: "approved",
  }),
  "a list as payload": approved({}, { payload: ["approved"] }),
  "a duplicate key": approved({}).replace('"decision":"approved"', '"decision":"denied","decision":"approved"'),
  "a duplicate key that is spelled differently": approved({}).replace(
    '"decision":',
    '"decisio\\u006e":"denied","decision":',
  ),
  "a prototype key": approved({}).replace('"decision":', '"__proto__":{},"decision":'),
  "an unknown status in the original tool's dialect": seed({ status: "pending" }),
  "decision where the original tool has status": seed({ status: undefined, decision: "approved" }),
  "a request without an id": JSON.stringify({ event: "APPROVAL_REQUESTED", ...REAL, payload: {} }),
  "a request with a numeric task": JSON.stringify({
    event: "APPROVAL_REQUESTED",
    ...REAL,
    payload: { approval_id: "a", task_id: 1 },
  }),
  "a nest of 100,000 levels": `{"event":"APPROVAL_APPROVED","x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
};
for (const [name, text] of Object.entries(BAD_FRAMES)) {
  test(`takes a frame with ${name} for no decision`, () => assert.equal(decodeEvent(text, "ws-1").kind, "rejected"));
}

test("hears no decision in arbitrary bytes", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.json(),
        fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("latin1")),
      ),
      (text) => {
        assert.notEqual(decodeEvent(text, "ws-1").kind, "decided");
      },
    ),
  );
});

test("hears a decision only where name, id, decision and workspace all say so", () => {
  const some = <T>(...values: T[]) =>
    fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: fc.jsonValue() });
  const fields = {
    approval_id: some<unknown>("a-1", ""),
    status: some<unknown>("approved", "denied"),
    decision: some<unknown>("approved", "denied"),
    decided_by: some<unknown>("ann", null),
  };
  const frames = fc.record(
    {
      event: some<unknown>("APPROVAL_DECIDED", "APPROVAL_APPROVED", "APPROVAL_DENIED"),
      workspace_id: some<unknown>("ws-1", "ws-2"),
      payload: fc.oneof(fc.record(fields, { requiredKeys: [] }), fc.jsonValue()),
      ...fields,
    },
    { requiredKeys: ["event"] },
  );
  fc.assert(
    fc.property(frames, (frame) => {
      const event = decodeEvent(JSON.stringify(frame), "ws-1");
      if (event.kind !== "decided") return;
      const source = (frame.event === "APPROVAL_DECIDED" ? frame : frame.payload) as { [key: string]: unknown };
      assert.equal(event.approval_id, source["approval_id"]);
      assert.equal(event.status, frame.event === "APPROVAL_DECIDED" ? source["status"] : source["decision"]);
      if (frame.event !== "APPROVAL_DECIDED") assert.equal(frame.event, `APPROVAL_${event.status.toUpperCase()}`);
      if (frame.workspace_id !== undefined && frame.workspace_id !== null) assert.equal(frame.workspace_id, "ws-1");
    }),
    { numRuns: 2_000 },
  );
});

test("reads JSON as JSON.parse does, but for duplicate and prototype keys", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      if (text.includes('"__proto__"')) return;
      assert.deepEqual(parseJson(text), JSON.parse(text));
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.throws(() => parseJson(`${text}"`), hasCode("ERR_PLATFORM_UNREADABLE"));
    }),
  );
});

test("finds a duplicate key at any depth and in any spelling", () => {
  const escaped = (key: string) =>
    `"${Array.from(key, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`;
  const keys = fc.stringMatching(/^[a-z{}[\],:"\\ ]{1,8}$/);
  fc.assert(
    fc.property(
      keys,
      fc.jsonValue({ maxDepth: 2 }),
      fc.integer({ min: 0, max: 20 }),
      fc.boolean(),
      (key, value, depth, escape) => {
        const twin = escape ? escaped(key) : JSON.stringify(key);
        const object = `{${JSON.stringify(key)} : ${JSON.stringify(value)}, ${twin}:1}`;
        const text = `${'{"a":['.repeat(depth)}${object}${"]}".repeat(depth)}`;
        assert.doesNotThrow(() => JSON.parse(text));
        assert.throws(() => parseJson(text), hasCode("ERR_PLATFORM_UNREADABLE"));
      },
    ),
  );
  assert.deepEqual(parseJson('[{"a":1},{"a":2},{"b":{"a":3},"a":4}]'), [{ a: 1 }, { a: 2 }, { b: { a: 3 }, a: 4 }]);
});

test("reads no text that is not UTF-8", () => {
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
    assert.throws(() => decodeUtf8(Uint8Array.from(bytes)), hasCode("ERR_PLATFORM_UNREADABLE"));
  }
  assert.throws(
    () => parseJson(decodeUtf8(Uint8Array.from([0xef, 0xbb, 0xbf, 0x31]))),
    hasCode("ERR_PLATFORM_UNREADABLE"),
  );
});

test("reads a Retry-After as a number, a date, nonsense or a year", () => {
  const now = Date.UTC(2026, 10, 22, 12, 0, 0);
  const at = (ms: number) => new Date(now + ms).toUTCString();
  for (const [header, ms] of [
    ["0", 1_000],
    ["1", 1_000],
    ["30", 30_000],
    [" 30 ", 30_000],
    ["50.5", 1_000],
    ["-5", 1_000],
    ["9".repeat(400), 60_000],
    [at(20_000), 20_000],
    [at(-20_000), 1_000],
    [at(31_536_000_000), 60_000],
    ["2026", 60_000],
    ["Sun, 99 Nov 2026 12:00:00 GMT", 1_000],
    ["", 1_000],
    [undefined, 1_000],
  ] as const) {
    assert.equal(retryAfterMs(header, now), ms, String(header));
  }
  assert.equal(httpDateMs("2026-11-22"), undefined);
});

test("shares one list call among all who ask in the same turn, and starts it at once", async () => {
  const fake = fakeLists();
  const shared = createSharedList(fake);
  const reads = ["a", "b", "a"].map((id) => shared.read("ws-1", [id]));
  await Promise.resolve();
  assert.deepEqual(
    fake.calls.map(({ ids }) => ids),
    [["a", "b"]],
  );
  fake.answerAll();
  const listings = await Promise.all(reads);
  assert.equal(new Set(listings).size, 1);
});

test("never answers with a list call that started before the question", async () => {
  const fake = fakeLists();
  const shared = createSharedList(fake, { minIntervalMs: 20 });
  const first = shared.read("ws-1", ["a"]);
  await Promise.resolve();
  const second = shared.read("ws-1", ["b"]);
  fake.answerAll();
  await first;
  await until("two calls", () => fake.calls.length === 2);
  assert.deepEqual(fake.calls[1]?.ids, ["b"]);
  fake.answerAll();
  assert.notEqual(await second, await first);
});

test("keeps list calls for one workspace 200 ms apart, and those for another out of it", async () => {
  const fake = fakeLists(true);
  const shared = createSharedList(fake);
  const reads: Promise<Listing>[] = [];
  for (let n = 0; n < 3; n++) {
    reads.push(shared.read("ws-1", [`a-${n}`]));
    await until(`a call for a-${n}`, () => fake.calls.some(({ ids }) => ids.includes(`a-${n}`)));
  }
  reads.push(shared.read("ws-2", ["b"]));
  await Promise.all(reads);
  const starts = fake.calls.filter(({ workspaceId }) => workspaceId === "ws-1").map(({ at }) => at);
  assert.equal(starts.length, 3);
  for (let n = 1; n < starts.length; n++) assert.ok((starts[n] ?? 0) - (starts[n - 1] ?? 0) >= 200);
  assert.equal(fake.calls.at(-1)?.workspaceId, "ws-2");
});

test("asks for at most 100 ids at a time, and loses none", async () => {
  const fake = fakeLists(true);
  const shared = createSharedList(fake, { minIntervalMs: 5 });
  const wanted = Array.from({ length: 250 }, (_, index) => `a-${index}`);
  await Promise.all(wanted.map((id) => shared.read("ws-1", [id])));
  assert.deepEqual(
    fake.calls.map(({ ids }) => ids.length),
    [100, 100, 50],
  );
  assert.deepEqual(fake.calls.flatMap(({ ids }) => ids).toSorted(), wanted.toSorted());
});

test("puts the answers together for a caller with more ids than one call takes", async () => {
  const fake = fakeLists(true);
  const listing = await createSharedList(fake, { minIntervalMs: 5, maxIds: 2 }).read("ws-1", ["a", "b", "c", "a"]);
  assert.deepEqual(
    fake.calls.map(({ ids }) => ids),
    [["a", "b"], ["c"]],
  );
  assert.deepEqual(
    listing.items.map(({ approval_id }) => approval_id),
    ["a", "b", "c"],
  );
});

test("gives a caller without ids the newest, not what others asked for", async () => {
  const fake = fakeLists(true);
  const shared = createSharedList(fake, { minIntervalMs: 5 });
  await Promise.all([shared.read("ws-1", ["a"]), shared.read("ws-1", []), shared.read("ws-1", ["b"])]);
  assert.deepEqual(
    fake.calls.map(({ ids }) => ids),
    [["a", "b"], []],
  );
});

test("takes away only the caller that aborts", async () => {
  const fake = fakeLists();
  const shared = createSharedList(fake);
  const reason = new Error("enough");
  const controller = new AbortController();
  const leaving = shared.read("ws-1", ["a"], controller.signal);
  const staying = shared.read("ws-1", ["b"]);
  await Promise.resolve();
  controller.abort(reason);
  await assert.rejects(leaving, reason);
  fake.answerAll();
  assert.equal((await staying).items.length, 2);
  await assert.rejects(shared.read("ws-1", ["c"], controller.signal), reason);
  assert.equal(fake.calls.length, 1);
});

test("does not ask for what its only caller no longer wants", async () => {
  const fake = fakeLists(true);
  const shared = createSharedList(fake, { minIntervalMs: 20 });
  await shared.read("ws-1", ["a"]);
  const controller = new AbortController();
  const leaving = shared.read("ws-1", ["b"], controller.signal);
  const staying = shared.read("ws-1", ["c"]);
  controller.abort(new Error("enough"));
  await assert.rejects(leaving, /enough/);
  await staying;
  assert.deepEqual(
    fake.calls.map(({ ids }) => ids),
    [["a"], ["c"]],
  );
});

test("gives everyone the error of a shared list call, and asks anew for the next", async () => {
  let broken = true;
  const fake = fakeLists(true);
  const list = (workspaceId: string, ids?: readonly string[]) =>
    broken ? Promise.reject(new ApprovalError("ERR_PLATFORM_UNREACHABLE", "down")) : fake.list(workspaceId, ids);
  const shared = createSharedList({ list }, { minIntervalMs: 5 });
  const reads = [shared.read("ws-1", ["a"]), shared.read("ws-1", ["b"])];
  for (const read of reads) await assert.rejects(read, hasCode("ERR_PLATFORM_UNREACHABLE"));
  broken = false;
  assert.equal((await shared.read("ws-1", ["a"])).items.length, 1);
});

interface Recorded {
  readonly workspaces: { readonly [name: string]: { readonly id: string } };
  readonly http: readonly {
    readonly request?: { readonly method: string; readonly path: string };
    readonly response?: { readonly body: unknown };
  }[];
  readonly ws: readonly { readonly frames?: readonly { readonly text?: string }[] }[];
}
const recorded = JSON.parse(
  readFileSync(new URL("../../test/fixtures/recorded-platform.json", import.meta.url), "utf8"),
) as Recorded;

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ApprovalError && error.code === code;
}

interface ListCall {
  readonly workspaceId: string;
  readonly ids: readonly string[];
  readonly at: number;
}

/** A list that answers every id it was asked for, at once or when told to. */
function fakeLists(atOnce = false) {
  const calls: ListCall[] = [];
  let open: (() => void)[] = [];
  const itemOf = (id: string): ListItem => ({ approval_id: id, status: "pending", decided_by: "" });
  return {
    calls,
    answerAll() {
      open.forEach((resolve) => resolve());
      open = [];
    },
    async list(workspaceId: string, ids: readonly string[] = []): Promise<Listing> {
      calls.push({ workspaceId, ids, at: performance.now() });
      if (!atOnce) await new Promise<void>((resolve) => open.push(resolve));
      return { items: ids.map(itemOf), capped: false, echoes: true, rejected: 0 };
    },
  };
}
