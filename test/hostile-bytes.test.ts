/** Whatever bytes come from outside, they are read as what they say or not at all: nothing throws, nothing is granted by accident. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { ownItems } from "../src/activities/own-items.ts";
import { judge } from "../src/domain/decision.ts";
import { ApprovalError } from "../src/domain/errors.ts";
import { emptyHintBox, hear, parseHint } from "../src/domain/hints.ts";
import type { Listing } from "../src/domain/platform-port.ts";
import { decodeEvent } from "../src/platform/events.ts";
import { createPlatform } from "../src/platform/http.ts";
import { decodeUtf8, parseJson } from "../src/platform/json.ts";
import { decodeListing } from "../src/platform/listing.ts";
import { tokenFrom } from "../src/platform/token.ts";

type Fields = { readonly [key: string]: unknown };

const recorded = JSON.parse(
  readFileSync(new URL("../../test/fixtures/recorded-platform.json", import.meta.url), "utf8"),
) as {
  readonly workspaces: { readonly [name: string]: { readonly id: string } };
  readonly http: readonly { readonly response?: { readonly body: unknown } }[];
  readonly ws: readonly { readonly frames?: readonly { readonly text?: string }[] }[];
};
const WORKSPACE = recorded.workspaces["child"]?.id as string;
const frames = [
  ...new Set(
    recorded.ws
      .flatMap((session) => session.frames ?? [])
      .map(({ text }) => text ?? "")
      .filter((text) => text.includes('"APPROVAL_') && text.includes(WORKSPACE)),
  ),
];
const lists = recorded.http
  .map(({ response }) => response?.body)
  .filter((body) => Array.isArray(body) && body.some((item: Fields) => "decided_by" in item))
  .map((body) => JSON.stringify(body));

/** A text of the platform's with some of its characters gone, doubled, changed or mixed with another one's. */
function damaged(texts: readonly string[]): fc.Arbitrary<string> {
  const place = fc.nat({ max: 2_000 });
  const wound = fc.oneof(
    fc.record({ kind: fc.constant("cut" as const), from: place, length: fc.nat({ max: 60 }) }),
    fc.record({ kind: fc.constant("repeat" as const), from: place, length: fc.nat({ max: 60 }) }),
    fc.record({
      kind: fc.constant("insert" as const),
      from: place,
      text: fc.oneof(
        fc.string({ unit: "binary", maxLength: 3 }),
        fc.constantFrom('"', "}", "{", ",", ":", "null", '"decision":"approved",', '"status":"approved",', "\\u0061"),
      ),
    }),
    fc.record({
      kind: fc.constant("swap" as const),
      words: fc.constantFrom(["denied", "approved"], ["DENIED", "APPROVED"]),
    }),
    fc.record({ kind: fc.constant("splice" as const), from: place, other: fc.constantFrom(...texts) }),
  );
  return fc.tuple(fc.constantFrom(...texts), fc.array(wound, { minLength: 1, maxLength: 3 })).map(([text, wounds]) => {
    let result = text;
    for (const one of wounds) {
      const at = "from" in one ? one.from % (result.length + 1) : 0;
      const [before, after] = [result.slice(0, at), result.slice(at)];
      if (one.kind === "cut") result = before + after.slice(one.length);
      else if (one.kind === "repeat") result = before + after.slice(0, one.length) + after;
      else if (one.kind === "insert") result = before + one.text + after;
      else if (one.kind === "splice") result = before + one.other.slice(at);
      else result = result.replace(one.words[0] as string, one.words[1] as string);
    }
    return result;
  });
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map((text) => Buffer.from(text)),
  fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
);
/** What is mostly what it should be, but anything else as often as one time in five. */
const mostly = (...values: readonly unknown[]) =>
  fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: fc.jsonValue() });

test("a frame that is cut off anywhere says nothing", () => {
  assert.ok(frames.length > 20);
  for (const frame of frames) {
    assert.notEqual(decodeEvent(frame, WORKSPACE).kind, "rejected");
    for (let end = 0; end < frame.length; end++) {
      assert.equal(decodeEvent(frame.slice(0, end), WORKSPACE).kind, "rejected", frame.slice(0, end));
    }
  }
});

test("a damaged frame is a decision only where all of it still says so, and never throws", () => {
  let heard = 0;
  fc.assert(
    fc.property(damaged(frames), (text) => {
      const event = decodeEvent(text, WORKSPACE);
      if (event.kind !== "decided") return;
      heard++;
      const frame = JSON.parse(text) as {
        readonly event: string;
        readonly workspace_id: string;
        readonly payload: Fields;
      };
      assert.equal(frame.event, `APPROVAL_${event.status.toUpperCase()}`);
      assert.equal(frame.workspace_id, WORKSPACE);
      assert.deepEqual([frame.payload["approval_id"], frame.payload["decision"]], [event.approval_id, event.status]);
      assert.equal(text.match(/"decision"/g)?.length, 1);
    }),
    { numRuns: 5_000 },
  );
  assert.ok(heard > 50, `${heard} were heard`);
});

/** The list in a body, read as the client of the platform reads it. */
function listingOf(body: Uint8Array): Listing | undefined {
  try {
    return decodeListing(parseJson(decodeUtf8(body)), undefined, WORKSPACE);
  } catch (error) {
    assert.ok(error instanceof ApprovalError && error.code === "ERR_PLATFORM_UNREADABLE", String(error));
    return undefined;
  }
}

test("a damaged list shows a decision only where an item of it says so, and is refused as a whole otherwise", () => {
  let shown = 0;
  fc.assert(
    fc.property(damaged(lists), (text) => {
      const listing = listingOf(Buffer.from(text));
      if (listing === undefined) return;
      const entries = JSON.parse(text) as readonly unknown[];
      assert.ok(listing.items.length + listing.rejected <= entries.length);
      const own = entries.filter((entry): entry is Fields => typeof entry === "object" && entry !== null);
      for (const item of listing.items.filter(({ status }) => status !== "pending")) {
        shown++;
        const its = own.filter(({ id, status }) => id === item.approval_id && status === item.status);
        assert.ok(its.some(({ decided_by }) => (decided_by ?? "") === item.decided_by));
      }
    }),
    { numRuns: 3_000 },
  );
  assert.ok(shown > 50, `${shown} were shown`);
});

test("a list of anything leaves out all that is not of the documented shape, item by item", () => {
  const entry = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        id: mostly("a-1", "a-2"),
        task_id: mostly("task", "", null),
        status: mostly("pending", "approved", "denied"),
        decided_by: mostly("ann", null),
        decided_at: mostly("2026-11-22T11:43:18Z", null),
        created_at: mostly("2026-11-22T11:43:18Z"),
        workspace_id: mostly(WORKSPACE, "another"),
      },
      { requiredKeys: ["id", "status"] },
    ),
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 6 }), (entries) => {
      const listing = decodeListing(entries, undefined, WORKSPACE);
      assert.equal(
        listing.rejected,
        entries.filter((one) => decodeListing([one], undefined, WORKSPACE).items.length === 0).length,
      );
      for (const item of listing.items) {
        const source = entries.find((one) => {
          const { id, status, workspace_id } = (one ?? {}) as Fields;
          const ours = workspace_id === undefined || workspace_id === null || workspace_id === WORKSPACE;
          return id === item.approval_id && status === item.status && ours;
        });
        assert.ok(source !== undefined);
        assert.ok(["pending", "approved", "denied"].includes(item.status) && typeof item.decided_by === "string");
      }
    }),
    { numRuns: 2_000 },
  );
});

test("arbitrary bytes are no reading that grants, denies or ends anything", () => {
  const window = { timeout_ms: 10_000, poll_interval_ms: 2_000, deadline_ms: 10_000, read_at_ms: 0 };
  fc.assert(
    fc.property(
      fc.oneof(
        bytes,
        fc.array(fc.jsonValue()).map((list) => Buffer.from(JSON.stringify(list))),
      ),
      (body) => {
        const listing = listingOf(body);
        if (listing === undefined) return;
        const reading = { items: ownItems(listing, "task", ["a-1"]), capped: listing.capped, vouched: [] };
        assert.equal(judge(reading, "a-1", window).verdict.kind, "absent");
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a hint is exactly what its payload says, or none", () => {
  const payloads = fc.oneof(
    fc.anything(),
    fc.record(
      {
        approval_id: mostly("a-1", "a-2", "a-3", "", "x".repeat(300)),
        status: mostly("approved", "denied", "pending"),
        source: mostly("socket", "sweep", "manual"),
        decided_by: mostly("ann", null, undefined),
        decided_at: mostly("2026-11-22T11:43:18Z"),
        proof: mostly("00ff", undefined, "x".repeat(2_000)),
        approved: mostly(true),
      },
      { requiredKeys: ["approval_id", "status", "source"] },
    ),
  );
  let heard = 0;
  fc.assert(
    fc.property(fc.array(payloads, { maxLength: 5 }), (list) => {
      const box = emptyHintBox();
      for (const payload of list) {
        const hint = parseHint(payload);
        hear(box, payload);
        if (hint === undefined) continue;
        heard++;
        for (const [name, value] of Object.entries(hint)) {
          assert.ok(["approval_id", "status", "source", "decided_by", "decided_at", "proof"].includes(name));
          assert.equal(value, (payload as Fields)[name]);
          assert.ok(typeof value === "string" && value.length <= 1_024);
        }
        assert.ok(["approved", "denied"].includes(hint.status) && hint.approval_id !== "");
        assert.ok(["socket", "sweep", "manual"].includes(hint.source));
      }
      assert.equal(box.heard + box.ignored, list.length);
      assert.equal(box.fresh, box.heard > 0);
    }),
    { numRuns: 2_000 },
  );
  assert.ok(heard > 50, `${heard} were heard`);
});

test("a 201 made an approval only where its body is strict JSON with an id, and is ambiguous otherwise", async (t) => {
  let body: Uint8Array = Buffer.from("");
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(201).end(body));
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const platform = createPlatform({ url, token: tokenFrom({}) });
  const good = ['{"approval_id":"a-1","status":"pending"}', '{"status":"pending","approval_id":"92f87722-18cf"}'];
  const torn = fc
    .tuple(fc.constantFrom(...good), fc.nat(), fc.constantFrom(0x80, 0xc0, 0xff))
    .map(([text, at, byte]) =>
      Buffer.concat([
        Buffer.from(text.slice(0, at % text.length)),
        Buffer.from([byte]),
        Buffer.from(text.slice(at % text.length)),
      ]),
    );
  let created = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        bytes,
        torn,
        damaged(good).map((text) => Buffer.from(text)),
      ),
      async (answer) => {
        body = answer;
        const made = await platform.create("ws-1", { action: "x", reason: "", task_id: "t" });
        if (made.kind !== "created") {
          assert.deepEqual(made, { kind: "ambiguous", error: "Platform returned invalid JSON (status 201)" });
          return;
        }
        created++;
        const text = new TextDecoder("utf-8", { fatal: true }).decode(answer);
        assert.equal((JSON.parse(text) as Fields)["approval_id"], made.approval_id);
        assert.match(made.approval_id, /^[^\p{C}]{1,128}$/u);
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(created > 10, `${created} were created`);
});
