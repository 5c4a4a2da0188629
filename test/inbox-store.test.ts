/** What the inbox keeps, on every database that it can keep it in. */
import assert from "node:assert/strict";
import { on, once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, beforeEach, describe, it, type TestContext } from "node:test";
import * as fc from "fast-check";
import { WebSocket } from "ws";
import type { ApprovalError } from "../src/domain/errors.ts";
import { createLogins } from "../src/inbox/logins.ts";
import { migrate } from "../src/inbox/migrations.ts";
import { startInbox } from "../src/inbox/server.ts";
import { openStorage, type Place, type Storage } from "../src/inbox/storage.ts";
import type { Approval, Decision, Position } from "../src/inbox/store.ts";
import { newToken } from "../src/inbox/tokens.ts";
import { startPostgres } from "./support/postgres.ts";
import { until } from "./support/until.ts";

const postgres = await startPostgres();
after(() => postgres?.stop());

const APPROVED: Decision = { status: "approved", decidedBy: "ada", decidedAtMs: 5_000 };

let storage: Storage;
let ordinal = 0;

function approval(over: Partial<Approval> = {}): Approval {
  const id = `id-${++ordinal}`;
  return { id, workspaceId: "demo", taskId: "", action: "act", reason: "", createdAtMs: 1_000, ...over };
}

async function add(over: Partial<Approval> = {}): Promise<Approval> {
  const one = approval(over);
  assert.equal((await storage.approvals.create(one, 1_000)).kind, "created");
  return one;
}

function contract(): void {
  it("gives back exactly what was asked, whatever characters it has", async () => {
    const text = fc.string({
      unit: fc.oneof(
        fc.constantFrom("\0", "\ud800", "\udc00", "\ue000", "0", "a", "\\", "'", '"', "\n", "😀"),
        fc.string(),
      ),
    });
    await fc.assert(
      fc.asyncProperty(text, text, fc.dictionary(text, fc.jsonValue()), async (action, reason, context) => {
        const told = JSON.parse(JSON.stringify({ ...context, action })) as NonNullable<Approval["context"]>;
        const { id } = await add({ action, reason, taskId: reason, context: told });
        const decision: Decision = { ...APPROVED, decidedBy: action, comment: reason };
        await storage.approvals.decide("demo", id, decision);
        const kept = (await storage.approvals.get("demo", id)) as Approval;
        assert.deepEqual([kept.action, kept.reason, kept.taskId], [action, reason, reason]);
        assert.equal(JSON.stringify(kept.context), JSON.stringify(told));
        assert.deepEqual(kept.decision, decision);
      }),
      { numRuns: 60 },
    );
  });

  it("keeps times to the microsecond, in any century", async () => {
    for (const createdAtMs of [0, 0.001, 1_763_812_998_404.374, -62_000_000_000_000, 250_000_000_000_000.5]) {
      const { id } = await add({ createdAtMs, expiresAtMs: createdAtMs + 1 });
      const kept = (await storage.approvals.get("demo", id)) as Approval;
      assert.equal(Math.round(kept.createdAtMs * 1_000), Math.round(createdAtMs * 1_000));
      assert.equal(Math.round((kept.expiresAtMs as number) * 1_000), Math.round((createdAtMs + 1) * 1_000));
    }
  });

  it("keeps the first decision when twenty arrive at once", async () => {
    const { id } = await add();
    const names = Array.from({ length: 20 }, (_, at) => `person ${at}`);
    const answers = await Promise.all(
      names.map((decidedBy) => storage.approvals.decide("demo", id, { ...APPROVED, decidedBy })),
    );
    assert.equal(answers.filter((answer) => answer === "decided").length, 1);
    const winner = names[answers.indexOf("decided")];
    assert.equal((await storage.approvals.get("demo", id))?.decision?.decidedBy, winner);
  });

  it("holds the limit of pending approvals when many are asked for at once", async () => {
    const kinds = await Promise.all(
      Array.from({ length: 12 }, async () => (await storage.approvals.create(approval(), 5)).kind),
    );
    assert.equal(kinds.filter((kind) => kind === "created").length, 5);
    assert.equal((await storage.approvals.create(approval({ workspaceId: "other" }), 5)).kind, "created");
  });

  it("takes one key of a workspace for one approval, however often and at once it comes", async () => {
    const ask = (bodySha256: string, workspaceId = "demo") =>
      storage.approvals.create(approval({ workspaceId }), 1_000, { key: "key-1", bodySha256 });
    const creations = await Promise.all(Array.from({ length: 8 }, () => ask("a")));
    const ids = creations.map((creation) => (creation.kind === "created" ? creation.approval.id : creation.kind));
    assert.equal(new Set(ids).size, 1, ids.join());
    assert.equal(creations.filter((creation) => creation.kind === "created" && creation.isNew).length, 1);
    assert.equal((await ask("b")).kind, "other_body");
    assert.equal((await ask("b", "other")).kind, "created");
    await storage.approvals.decide("demo", ids[0] as string, APPROVED);
    const later = await ask("a");
    assert.equal(later.kind === "created" && later.approval.decision?.status, "approved");
  });

  it("finds no approval under another workspace, and none by what is no id", async () => {
    const { id } = await add();
    assert.equal(await storage.approvals.get("other", id), undefined);
    assert.equal(await storage.approvals.decide("other", id, APPROVED), "not_pending");
    for (const odd of ["", "\0", "'; drop table", "x".repeat(1_000)]) {
      assert.equal(await storage.approvals.get("demo", odd), undefined);
      assert.equal(await storage.approvals.decide("demo", odd, APPROVED), "not_pending");
      assert.deepEqual((await storage.approvals.list({ workspaceId: "demo", ids: [odd], limit: 5 })).approvals, []);
    }
  });

  it("lists a workspace by status and page by page, with nothing twice and nothing left out", async () => {
    const all: Approval[] = [];
    for (let at = 0; at < 7; at++) all.push(await add());
    await add({ workspaceId: "other" });
    await storage.approvals.decide("demo", (all[2] as Approval).id, APPROVED);
    await storage.approvals.decide("demo", (all[5] as Approval).id, { ...APPROVED, status: "denied" });
    const read = async (status?: "pending" | "approved" | "denied" | "decided") => {
      const ids: string[] = [];
      let after: Position | undefined;
      do {
        const page = await storage.approvals.list({ workspaceId: "demo", status, limit: 2, after });
        ids.push(...page.approvals.map(({ id }) => id));
        after = page.next;
      } while (after !== undefined);
      return ids;
    };
    const expected = (...places: number[]) => places.map((at) => (all[at] as Approval).id);
    assert.deepEqual(await read(), expected(6, 5, 4, 3, 2, 1, 0));
    assert.deepEqual(await read("pending"), expected(6, 4, 3, 1, 0));
    assert.deepEqual(await read("approved"), expected(2));
    assert.deepEqual(await read("denied"), expected(5));
    assert.deepEqual(await read("decided"), expected(5, 2));
  });

  it("searches what is pending by its deadline and what is decided from the latest on, page by page", async () => {
    const deadlines = [9, undefined, 3, 9, undefined, 1];
    const all: Approval[] = [];
    for (const at of deadlines) all.push(await add(at === undefined ? {} : { expiresAtMs: at * 1_000 }));
    const read = async (status: "pending" | "decided", text = "") => {
      const places: number[] = [];
      let after: Position | undefined;
      let total: number;
      do {
        const page = await storage.approvals.search({ status, text, limit: 2, after });
        places.push(...page.approvals.map(({ id }) => all.findIndex((one) => one.id === id)));
        ({ next: after, total } = page);
      } while (after !== undefined);
      assert.equal(total, places.length);
      return places;
    };
    assert.deepEqual(await read("pending"), [5, 2, 0, 3, 1, 4]);
    for (const [at, place] of [3, 0, 5].entries())
      await storage.approvals.decide("demo", (all[place] as Approval).id, { ...APPROVED, decidedAtMs: at < 2 ? 7 : 6 });
    assert.deepEqual(await read("decided"), [3, 0, 5]);
    assert.deepEqual(await read("pending"), [2, 1, 4]);
  });

  it("finds a part of action, reason, workspace or decider in any case, and takes no wildcard", async () => {
    const one = await add({ action: "Drop ÄPFEL 100%_done\0", reason: "Stale" });
    await add({ action: "other", workspaceId: "Quiet" });
    await storage.approvals.decide("demo", one.id, { ...APPROVED, decidedBy: "Ada Lovelace" });
    const count = async (status: "pending" | "decided", text: string) =>
      (await storage.approvals.search({ status, text, limit: 10 })).total;
    for (const text of ["äpfel", "100%_D", "STALE", "lovelace", "demo", "done\0"])
      assert.equal(await count("decided", text), 1, text);
    for (const text of ["100_", "%", "stale\ndemo", "nobody", "\\"]) {
      assert.equal(await count("decided", text), text === "%" ? 1 : 0, text);
    }
    assert.equal(await count("pending", "quiet"), 1);
  });

  it("expires what ended in time, once, and leaves what is decided or endless", async () => {
    const due = await add({ expiresAtMs: 2_000 });
    const decided = await add({ expiresAtMs: 2_000 });
    await storage.approvals.decide("demo", decided.id, APPROVED);
    await add({ expiresAtMs: 2_001 });
    await add();
    const expiry: Decision = { status: "denied", decidedBy: "auto-expired", decidedAtMs: 9_000 };
    const both = await Promise.all([storage.approvals.expire(2_000, expiry), storage.approvals.expire(2_000, expiry)]);
    assert.deepEqual(both.flat(), [due.id]);
    assert.deepEqual((await storage.approvals.get("demo", due.id))?.decision, expiry);
  });

  it("tells every listener of each change, by kind and id, after the commit", async () => {
    const heard: string[] = [];
    const ignore = (): void => {};
    const stop = await storage.sql.listen("countersign_inbox", {
      heard: (one) => heard.push(one),
      deaf: ignore,
      hearing: ignore,
    });
    const { id } = await add({ expiresAtMs: 2_000 });
    const other = await add();
    await storage.approvals.decide("demo", other.id, APPROVED);
    await storage.approvals.decide("demo", other.id, APPROVED);
    await storage.approvals.expire(3_000, APPROVED);
    const token = await storage.tokens.create({ kind: "reviewer", subject: "ada" });
    await storage.tokens.revoke(token.id);
    const expected = [
      `requested:${id}`,
      `requested:${other.id}`,
      `decided:${other.id}`,
      `decided:${id}`,
      `revoked:${token.id}`,
    ];
    while (heard.length < expected.length) await storage.sql.query("select 1");
    await stop();
    assert.deepEqual(heard, expected);
  });

  it("knows a token until it is revoked, and keeps only its hash", async () => {
    const { id, token } = await storage.tokens.create({ kind: "reviewer", subject: "Ada" });
    assert.match(token, /^[\w-]{43}$/);
    assert.deepEqual(await storage.tokens.identify(token), { kind: "reviewer", name: "Ada", tokenId: id });
    const dump = await storage.sql.query("select t::text from countersign.tokens t");
    assert.equal(JSON.stringify(dump).includes(token), false);
    assert.equal(await storage.tokens.revoke(id), true);
    assert.equal(await storage.tokens.revoke(id), false);
    assert.equal(await storage.tokens.identify(token), undefined);
    const [listed] = await storage.tokens.list();
    assert.ok(listed?.id === id && listed.revokedAtMs !== undefined);
  });

  it("lets in the tokens that a folder has now, and of each folder only those", async () => {
    const [first, second, foreign] = [newToken(), newToken(), newToken()];
    const list = (token: string, workspaceId = "demo") => ({ agents: [{ workspaceId, token }], reviewers: [] });
    const workspaceOf = async (token: string) => {
      const caller = await storage.tokens.identify(token);
      return caller?.kind === "agent" ? caller.workspaceId : undefined;
    };
    await storage.tokens.ensure(list(first), "here");
    await storage.tokens.ensure(list(foreign), "there");
    await storage.tokens.ensure(list(first, "moved"), "here");
    assert.equal(await workspaceOf(first), "moved");
    await storage.tokens.ensure(list(second), "here");
    assert.deepEqual(
      [await workspaceOf(first), await workspaceOf(second), await workspaceOf(foreign)],
      [undefined, "demo", "demo"],
    );
    const { tokenId } = (await storage.tokens.identify(second)) as { tokenId: string };
    await storage.tokens.revoke(tokenId);
    await assert.rejects(storage.tokens.ensure(list(second), "here"), {
      code: "ERR_CONFIG",
      message: /was revoked; delete its file/,
    });
    assert.equal(await workspaceOf(second), undefined);
  });

  it("exchanges a login code once, for a session that ends with its token", async () => {
    const { id } = await storage.tokens.create({ kind: "reviewer", subject: "Ada" });
    const code = (await storage.logins.createCode(id)) as string;
    const sessions = await Promise.all([
      storage.logins.redeem(code),
      storage.logins.redeem(code),
      storage.logins.redeem("guess"),
    ]);
    const [session, ...others] = sessions.filter((one) => one !== undefined);
    assert.equal(others.length, 0);
    const { sessionEndsMs = 0, ...person } = (await storage.logins.identify(session as string)) ?? {};
    assert.deepEqual(person, { kind: "reviewer", name: "Ada", tokenId: id });
    assert.ok(Math.abs(sessionEndsMs - Date.now() - 12 * 3_600_000) < 60_000, `${sessionEndsMs}`);
    assert.equal(await storage.logins.identify(code), undefined);
    assert.equal(await storage.tokens.identify(session as string), undefined);
    const unused = (await storage.logins.createCode(id)) as string;
    await storage.tokens.revoke(id);
    assert.equal(await storage.logins.identify(session as string), undefined);
    assert.equal(await storage.logins.redeem(unused), undefined);
    assert.equal(await storage.logins.createCode(id), undefined);
    const agent = await storage.tokens.create({ kind: "agent", subject: "demo" });
    assert.equal(await storage.logins.createCode(agent.id), undefined);
  });

  it("takes no code after ten minutes and no session after twelve hours", async () => {
    let time = Date.UTC(2026, 0, 1);
    const logins = createLogins(storage.sql, () => time);
    const { id } = await storage.tokens.create({ kind: "reviewer", subject: "Ada" });
    const [code, late] = [await logins.createCode(id), await logins.createCode(id)] as [string, string];
    time += 10 * 60_000 - 1;
    const session = (await logins.redeem(code)) as string;
    time += 1;
    assert.equal(await logins.redeem(late), undefined);
    time += 12 * 3_600_000 - 2;
    assert.equal((await logins.identify(session))?.name, "Ada");
    time += 1;
    assert.equal(await logins.identify(session), undefined);
  });

  it("refuses a database that a newer version has changed", async () => {
    await storage.sql.query("insert into countersign.migrations values (999, now())");
    await assert.rejects(migrate(storage.sql), { code: "ERR_CONFIG", message: /newer version \(step 999/ });
    await storage.sql.query("delete from countersign.migrations where step = 999");
    await migrate(storage.sql);
  });
}

function onDatabase(name: string, place: () => Promise<Place>, skip: string | false): void {
  describe(`the inbox's storage ${name}`, { skip }, () => {
    before(async () => {
      storage = await openStorage(await place());
    });
    beforeEach(() => storage.sql.query("truncate countersign.approvals, countersign.tokens cascade"));
    after(() => storage.close());
    contract();
  });
}

onDatabase("embedded", async () => ({ memory: true }), false);

const missing = postgres === undefined && "PostgreSQL is not installed here; CI=true makes that a failure";
const databaseUrl = async (): Promise<string> => (await postgres?.createDatabase()) ?? "";

onDatabase("on a PostgreSQL server", async () => ({ databaseUrl: await databaseUrl() }), missing);

it("makes its tables once when several start on a new database together", { skip: missing }, async () => {
  const url = await databaseUrl();
  const all = await Promise.all(Array.from({ length: 4 }, () => openStorage({ databaseUrl: url })));
  const steps = await all[0]?.sql.query("select step from countersign.migrations");
  assert.deepEqual(steps, [{ step: 1 }]);
  await Promise.all(all.map((one) => one.close()));
});

describe("several inboxes on one database", { skip: missing }, () => {
  let url: string;
  before(async () => (url = await databaseUrl()));

  interface Told {
    readonly event: string;
    readonly payload: { readonly approval_id: string };
  }

  async function open(t: TestContext) {
    const own = await openStorage({ databaseUrl: url });
    const inbox = await startInbox({ port: 0, storage: own });
    t.after(async () => {
      await inbox.stop();
      await own.close();
    });
    const listen = async (token: string) => {
      const socket = new WebSocket(`ws://127.0.0.1:${inbox.port}/ws`, {
        headers: { authorization: `Bearer ${token}` },
      });
      t.after(() => socket.terminate());
      const frames = on(socket, "message");
      await once(socket, "open");
      return { socket, next: async () => JSON.parse(String(((await frames.next()).value as [Buffer])[0])) as Told };
    };
    const post = async (path: string, token: string, body: object) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const response = await fetch(inbox.url + path, { method: "POST", headers, body: JSON.stringify(body) });
      return { status: response.status, body: (await response.json()) as { approval_id: string } };
    };
    return { ...inbox, storage: own, listen, post };
  }

  it("hear at once what was asked, decided and revoked on another one", async (t) => {
    const [one, other] = [await open(t), await open(t)];
    const reviewer = await one.storage.tokens.create({ kind: "reviewer", subject: "ada" });
    const agent = await one.storage.tokens.create({ kind: "agent", subject: "demo" });
    const socket = await other.listen(reviewer.token);
    const { body } = await one.post("/workspaces/demo/approvals", agent.token, { action: "act" });
    const path = `/workspaces/demo/approvals/${body.approval_id}/decide`;
    const answers = await Promise.all(
      [one, other, one, other].map((inbox) => inbox.post(path, reviewer.token, { decision: "approved" })),
    );
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted((one, other) => one - other),
      [200, 404, 404, 404],
    );
    for (const event of ["APPROVAL_REQUESTED", "APPROVAL_APPROVED"]) {
      const told = await socket.next();
      assert.deepEqual([told.event, told.payload.approval_id], [event, body.approval_id]);
    }
    const closed = once(socket.socket, "close");
    await one.storage.tokens.revoke(reviewer.id);
    assert.deepEqual((await closed)[0], 1008);
  });

  it(
    "send their clients to the list where a change may have been missed, and hear again",
    { timeout: 60_000 },
    async (t) => {
      const inbox = await open(t);
      const reviewer = await inbox.storage.tokens.create({ kind: "reviewer", subject: "ada" });
      const agent = await inbox.storage.tokens.create({ kind: "agent", subject: "demo" });
      const { socket } = await inbox.listen(reviewer.token);
      const closed = once(socket, "close");
      const ended = await inbox.storage.sql.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and datname = current_database()",
      );
      assert.equal(ended.length, 1);
      assert.equal((await closed)[0], 1012);
      const again = await until("a socket opens again", () => inbox.listen(reviewer.token).catch(() => undefined));
      const { body } = await inbox.post("/workspaces/demo/approvals", agent.token, { action: "act" });
      assert.equal((await again.next()).payload.approval_id, body.approval_id);
    },
  );
});

it("says which database cannot be reached, and no password", async () => {
  await assert.rejects(
    openStorage({ databaseUrl: "postgresql://ada:hunter2hunter2@127.0.0.1:1/inbox" }),
    (error: Error) => {
      assert.match(
        error.message,
        /^The inbox's database 127\.0\.0\.1:1\/inbox cannot be used: .*ECONNREFUSED.*; check DATABASE_URL/,
      );
      assert.equal(error.message.includes("hunter2"), false);
      return true;
    },
  );
});

it("says which folder cannot hold its data", async (t) => {
  const file = join(await mkdtemp(join(tmpdir(), "countersign-")), "file");
  t.after(() => rm(dirname(file), { recursive: true, force: true }));
  await writeFile(file, "not a folder");
  await assert.rejects(openStorage({ folder: file }), (error: ApprovalError) => {
    assert.equal(error.code, "ERR_CONFIG");
    assert.ok(error.message.startsWith(`The inbox's database ${file} cannot be opened: `), error.message);
    return true;
  });
});
