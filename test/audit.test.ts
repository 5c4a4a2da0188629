import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import canonicalize from "canonicalize";
import fc from "fast-check";
import { bodyOf, eventIdOf, MAX_LINE, sealed } from "../src/audit/audit-line.ts";
import { openAuditLog, type AuditLog } from "../src/audit/audit-log.ts";
import { canonicalJson, formsOf, NO_HASH, recordHash } from "../src/audit/record-hash.ts";
import { verifyAudit } from "../src/audit/verify.ts";
import { TAIL_BYTES } from "../src/audit/tail-index.ts";
import {
  finalRecord,
  noteRecord,
  requestedRecord,
  type AuditRecord,
  type RecordBase,
} from "../src/domain/audit-record.ts";
import { forbiddenText, timedOutText, type ApprovalResult } from "../src/domain/outcome.ts";

const BASE: RecordBase = {
  workspace_id: "ws-1",
  workflow_id: "approval:ws-1:r-1",
  task_id: "approval:ws-1:r-1#run-1",
  trace_id: "5f0c9b5e-2d3b-4c8e-9a56-0d4a6a4b7c11",
  action: "delete the database",
  time_ms: Date.UTC(2026, 10, 22, 9, 8, 7, 65),
};
const IDS = { trace_id: BASE.trace_id, workflow_id: BASE.workflow_id };

type Line = Record<string, unknown>;

/** As the first line of an empty file. */
function auditLine(record: AuditRecord, secrets: readonly string[]): string {
  const link = { writer_id: "w", seq: 1, file_prev: [], file_size: 0, prev_hash: NO_HASH };
  return sealed(bodyOf(record, secrets), link).line;
}

function parsed(record: AuditRecord, secrets: readonly string[] = []): Line {
  return JSON.parse(auditLine(record, secrets)) as Line;
}

async function scratch(t: { after(fn: () => Promise<void>): void }) {
  const folder = await mkdtemp(join(tmpdir(), "countersign-audit-"));
  const path = join(folder, "audit.jsonl");
  const opened: AuditLog[] = [];
  const open = (file = path) => {
    const log = openAuditLog({ path: file, required: true, secrets: [] });
    opened.push(log);
    return log;
  };
  t.after(async () => {
    // A checkpoint may be on its way.
    for (const log of opened) await log.close();
    await rm(folder, { recursive: true, force: true });
  });
  const lines = async () =>
    (await readFile(path, "utf8"))
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  return { folder, path, open, lines };
}

/** A record of its own event. */
function recordOf(name: string, outcome = "requested"): AuditRecord {
  return { ...requestedRecord({ ...BASE, task_id: name }, "a-1", "because"), outcome };
}

describe("the records", () => {
  test("tell each end in the words of the original tool", () => {
    const rows: [ApprovalResult, Parameters<typeof finalRecord>[2], string, Line][] = [
      [
        {
          status: "approved",
          approved: true,
          approval_id: "a-1",
          decided_by: "ann",
          decided_at: "T",
          verified: true,
          ...IDS,
        },
        {},
        "approval approve granted ann",
        {
          approval_id: "a-1",
          decided_by: "ann",
          workflow_id: BASE.workflow_id,
          decision: { status: "approved", decided_by: "ann", decided_at: "T", source: "list", verified: true },
        },
      ],
      [
        {
          status: "denied",
          approved: false,
          approval_id: "a-1",
          decided_by: "",
          message: "Denied by human",
          comment: "no",
          ...IDS,
        },
        { decided_at: "T", verified: false, deadline: "D" },
        "approval approve denied ws-1",
        {
          approval_id: "a-1",
          decided_by: "",
          workflow_id: BASE.workflow_id,
          comment: "no",
          decision: { status: "denied", decided_by: "", decided_at: "T", source: "socket", verified: false },
          deadline: "D",
        },
      ],
      [
        {
          status: "expired",
          approved: false,
          approval_id: "a-1",
          message: "Expired on the platform before anyone decided",
          ...IDS,
        },
        {},
        "approval approve denied auto-expired",
        { approval_id: "a-1", decided_by: "auto-expired", reason: "auto_expired", workflow_id: BASE.workflow_id },
      ],
      [
        {
          status: "timed_out",
          approved: false,
          approval_id: "a-1",
          withdrawn: false,
          error: timedOutText(2.5),
          ...IDS,
        },
        { timeout_seconds: 2.5, cause: "after_deadline" },
        "approval approve timeout ws-1",
        {
          approval_id: "a-1",
          timeout_seconds: 2.5,
          workflow_id: BASE.workflow_id,
          cause: "after_deadline",
          withdrawn: false,
        },
      ],
      [
        { status: "forbidden", approved: false, error: forbiddenText(["read-only"]), ...IDS },
        { roles: ["read-only"] },
        "rbac rbac.deny denied ws-1",
        {
          attempted_action: "approve",
          roles: ["read-only"],
          workflow_id: BASE.workflow_id,
          error: forbiddenText(["read-only"]),
        },
      ],
      [
        { status: "failed", approved: false, error: "Failed to create request: 500", ...IDS },
        {},
        "approval approve failure ws-1",
        { reason: "submit_failed", error: "Failed to create request: 500", workflow_id: BASE.workflow_id },
      ],
      [
        { status: "failed", approved: false, approval_id: "a-1", error: "Approved, but", ...IDS },
        { reason: "audit_failed" },
        "approval approve failure ws-1",
        { reason: "audit_failed", error: "Approved, but", approval_id: "a-1", workflow_id: BASE.workflow_id },
      ],
      [
        { status: "cancelled", approved: false, error: "Cancelled by the caller", ...IDS },
        {},
        "approval approve cancelled ws-1",
        { workflow_id: BASE.workflow_id },
      ],
    ];
    for (const [result, facts, words, extras] of rows) {
      const { event_type, action, outcome, actor, ...record } = finalRecord(BASE, result, facts);
      assert.equal([event_type, action, outcome, actor].join(" "), words);
      assert.deepEqual(Object.entries(record.extras), Object.entries(extras), result.status);
      assert.equal(record.event_key, `${BASE.task_id}||final`);
      assert.equal(record.resource, BASE.action);
    }
  });

  test("that never are final are skipped ones, each once per approval", () => {
    const unconfirmed = noteRecord(BASE, "hint.unconfirmed", "a-1", { hinted: "approved", source: "manual" });
    const conflict = noteRecord(BASE, "decision.conflict", "a-1", {
      hinted: "approved",
      read: "denied",
      decided_by: "bob",
    });
    const late = noteRecord(BASE, "decision.late", "a-1", {
      status: "approved",
      decided_by: "ann",
      cause: "after_deadline",
    });
    const duplicate = noteRecord(BASE, "create.duplicate", "a-2", { kept: "a-1" });
    assert.deepEqual(
      [unconfirmed, conflict, late, duplicate].map((one) => [
        one.event_key,
        one.event_type,
        one.action,
        one.outcome,
        one.actor,
      ]),
      [
        [`${BASE.task_id}|a-1|hint.unconfirmed`, "approval", "hint.unconfirmed", "skipped", "ws-1"],
        [`${BASE.task_id}|a-1|decision.conflict`, "approval", "decision.conflict", "skipped", "bob"],
        [`${BASE.task_id}|a-1|decision.late`, "approval", "decision.late", "skipped", "ann"],
        [`${BASE.task_id}|a-2|create.duplicate`, "approval", "create.duplicate", "skipped", "ws-1"],
      ],
    );
    assert.deepEqual(late.extras, {
      approval_id: "a-1",
      status: "approved",
      decided_by: "ann",
      cause: "after_deadline",
      workflow_id: BASE.workflow_id,
    });
  });
});

describe("a line", () => {
  test("has the seed's fields in the seed's order, and ours after them", () => {
    const event_id = createHash("sha256").update(`${BASE.task_id}|a-1|requested`).digest("hex");
    const line = auditLine(requestedRecord(BASE, "a-1", "disk is full", 60), []);
    const { hash, ...record } = JSON.parse(line) as Line;
    assert.equal(hash, recordHash(record));
    assert.equal(
      line,
      `{"timestamp":"2026-11-22T09:08:07.065000+00:00","event_type":"approval","workspace_id":"ws-1","actor":"ws-1",` +
        `"action":"approve","resource":"delete the database","outcome":"requested","trace_id":"${BASE.trace_id}",` +
        `"approval_id":"a-1","reason_text":"disk is full","workflow_id":"approval:ws-1:r-1",` +
        `"deadline":"2026-11-22T09:09:07.065Z","schema":1,"event_id":"${event_id}","writer_id":"w","seq":1,` +
        `"file_prev":[],"file_size":0,"prev_hash":"${NO_HASH}","hash":"${hash}"}\n`,
    );
  });

  test("lets no extra take the place of a field", () => {
    const line = parsed({
      ...recordOf("x"),
      extras: { outcome: "granted", event_id: "1", truncated: 1, __proto__x: 1, more: true },
    });
    assert.equal(line["outcome"], "requested");
    assert.equal(line["event_id"], eventIdOf("x|a-1|requested"));
    assert.equal(line["truncated"], undefined);
    assert.equal(line["more"], true);
  });

  test("holds no secret in any of its fields", () => {
    const secret = "hunter-two-and-more";
    const record: AuditRecord = {
      ...recordOf("x"),
      actor: secret,
      resource: `run with ${secret}`,
      extras: { reason_text: secret, error: `x ${secret}`, roles: [secret], [secret]: 1, comment: "API_KEY=abcdef123" },
    };
    const line = auditLine(record, [secret]);
    assert.doesNotMatch(line, /hunter|abcdef123/);
    assert.equal(line.split("***REDACTED***").length - 1, 7);
    assert.equal((JSON.parse(line) as Line)["redactions"], 7);
    assert.equal(parsed(recordOf("x"))["redactions"], undefined);
  });

  test("is one line without characters that hide, whatever the text, and parses back to it", () => {
    const resource = "a\nb\r\u0000\u001b[2J\u0085\u200b\u202e\u2028\u2029\ufeff\u{e0041}é日🙂";
    const line = auditLine({ ...recordOf("x"), resource }, []);
    assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u);
    assert.ok(line.includes("é日🙂") && line.includes("\\u202e"));
    assert.equal((JSON.parse(line) as Line)["resource"], resource);
  });

  test("cuts long text to 4 KiB and names the size and the hash of the original", () => {
    const long = "é".repeat(3_000);
    const line = parsed({
      ...requestedRecord({ ...BASE, action: long }, "a-1", "r".repeat(4_096)),
      outcome: "requested",
    });
    assert.equal(Buffer.byteLength(String(line["resource"])), 4_095);
    assert.ok(String(line["resource"]).endsWith("é…"));
    assert.equal(line["reason_text"], "r".repeat(4_096));
    assert.deepEqual(line["truncated"], {
      resource: { bytes: 6_000, sha256: createHash("sha256").update(long).digest("hex") },
    });
  });

  test("has the hash of its RFC 8785 form, whatever is in it", () => {
    const plain = canonicalize as unknown as (value: unknown) => string;
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 30 }), (value) => {
        const record = JSON.parse(JSON.stringify(value)) as Line;
        assert.equal(canonicalJson(record), plain(record));
        const { written, canonical } = formsOf({ ...record, hash: 1 }, "hash");
        const { hash: _, ...rest } = record;
        assert.deepEqual([written, canonical], [JSON.stringify({ ...record, hash: 1 }), plain(rest)]);
      }),
    );
    // Names that could be taken for others.
    assert.notEqual(recordHash({ a: 1, b: 2 }), recordHash({ "a,b": 1 }));
    assert.equal(
      canonicalJson(JSON.parse('{"b":1,"a,c":{"z":[{"y":1,"x":2}]},"a":0}') as object),
      '{"a":0,"a,c":{"z":[{"x":2,"y":1}]},"b":1}',
    );
  });

  test("never exceeds 16 KiB, and always tells event, outcome and trace", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc
        .tuple(fc.constantFrom("\u0000", "\u{e0041}", '"', "🙂", "x", "\\"), fc.integer({ min: 0, max: 20_000 }))
        .map(([unit, n]) => unit.repeat(n)),
    );
    const value = fc.oneof(text, fc.array(text, { maxLength: 3 }), fc.jsonValue());
    fc.assert(
      fc.property(
        text,
        text,
        text,
        fc.dictionary(fc.string({ maxLength: 200 }), value, { maxKeys: 40 }),
        (resource, reason_text, actor, extras) => {
          const line = auditLine({ ...recordOf("x"), resource, actor, extras: { reason_text, ...extras } }, []);
          assert.ok(Buffer.byteLength(line) <= MAX_LINE);
          assert.equal(line.indexOf("\n"), line.length - 1);
          const back = JSON.parse(line) as Line;
          assert.deepEqual(
            [back["outcome"], back["trace_id"], back["event_id"]],
            ["requested", BASE.trace_id, eventIdOf("x|a-1|requested")],
          );
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe("the writer", () => {
  test("makes the folder and the file for its owner only", async (t) => {
    const { folder } = await scratch(t);
    const path = join(folder, "a", "b", "audit.jsonl");
    await openAuditLog({ path, required: true, secrets: [] }).check();
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(folder, "a", "b"))).mode & 0o777, 0o700);
    assert.equal((await stat(path)).size, 0);
  });

  test("keeps the order of the calls, one line each", async (t) => {
    const { open, lines } = await scratch(t);
    const log = open();
    const names = Array.from({ length: 200 }, (_, n) => `n${n}`);
    await Promise.all(names.map((name) => log.append(recordOf(name))));
    assert.deepEqual(
      (await lines()).map((line) => line["event_id"]),
      names.map((name) => eventIdOf(`${name}|a-1|requested`)),
    );
  });

  test("writes an event once, and answers the outcome that stands", async (t) => {
    const { open, lines } = await scratch(t);
    const [one, other] = [open(), open()];
    const both = await Promise.all([one.append(recordOf("x", "granted")), one.append(recordOf("x", "failure"))]);
    assert.deepEqual(both, [
      { recorded: true, outcome: "granted" },
      { recorded: true, outcome: "granted" },
    ]);
    assert.deepEqual(await other.append(recordOf("x", "timeout")), { recorded: true, outcome: "granted" });
    assert.deepEqual(await one.append(recordOf("y", "timeout")), { recorded: true, outcome: "timeout" });
    assert.deepEqual(await other.append(recordOf("y", "granted")), { recorded: true, outcome: "timeout" });
    assert.deepEqual(await open().append(recordOf("y", "granted")), { recorded: true, outcome: "timeout" });
    assert.equal((await lines()).length, 2);
  });

  test("looks back one mebibyte, and no further", async (t) => {
    const { path, open } = await scratch(t);
    const log = open();
    await log.append(recordOf("old"));
    await log.append(recordOf("edge"));
    const size = (await stat(path)).size;
    const first = (await readFile(path)).indexOf("\n") + 1;
    // The line of "edge" then starts exactly one mebibyte before the end.
    const filler = TAIL_BYTES - (size - first);
    await appendFile(path, `"${"x".repeat(filler - 3)}"\n`);
    for (const writer of [log, open()]) {
      assert.deepEqual(await writer.append(recordOf("edge", "again")), { recorded: true, outcome: "requested" });
    }
    assert.equal((await stat(path)).size, size + filler);
    assert.deepEqual(await open().append(recordOf("old", "again")), { recorded: true, outcome: "again" });
    assert.deepEqual(await log.append(recordOf("edge", "once more")), { recorded: true, outcome: "once more" });
  });

  test("mends a tail torn at any byte of its last three records, and writes a torn record again", async (t) => {
    const { folder, path, open } = await scratch(t);
    const names = ["a", "b", "c"];
    for (const name of names) await open().append(recordOf(name));
    const whole = await readFile(path);
    const expected = [...names, "d"].map((name) => eventIdOf(`${name}|a-1|requested`));
    // A few at a time: each keeps files open.
    for (let from = 0; from < whole.length; from += 64) {
      const cuts = Array.from({ length: Math.min(64, whole.length - from) }, (_, n) => from + n);
      await Promise.all(
        cuts.map(async (length) => {
          const torn = join(folder, `torn-${length}.jsonl`);
          await writeFile(torn, whole.subarray(0, length));
          const log = open(torn);
          await log.repair();
          // Each append is an fsync, and there are two thousand cuts.
          const goesOn = length % 23 === 0;
          if (goesOn) await Promise.all([...names, "d"].map((name) => log.append(recordOf(name))));
          const text = await readFile(torn, "utf8");
          const lines = text.split("\n").filter((line) => line.trim() !== "");
          const records = lines.map((line) => JSON.parse(line) as Line);
          const [recovered, ...more] = records.filter((line) => line["action"] === "audit.recovered");
          assert.deepEqual(
            records.filter((line) => line !== recovered).map((line) => line["event_id"]),
            expected.slice(
              0,
              goesOn
                ? 4
                : whole
                    .subarray(0, length + 1)
                    .toString()
                    .split("\n").length - 1,
            ),
            `cut at ${length}`,
          );
          assert.deepEqual(more, []);
          const start = whole.lastIndexOf("\n", length - 1) + 1;
          // A cut at a newline tears nothing, and one just before it only takes that.
          const isTorn = start < length && whole[length] !== 0x0a;
          assert.equal(recovered?.["torn_bytes"], isTorn ? length - start : undefined, `cut at ${length}`);
          if (recovered === undefined) return;
          const kept = await readFile(join(folder, String(recovered["resource"])));
          assert.deepEqual(kept, whole.subarray(start, length));
        }),
      );
    }
  });

  test("follows a file that is rotated away, removed or truncated", async (t) => {
    const { folder, path, open, lines } = await scratch(t);
    const log = open();
    await log.append(recordOf("x"));
    await rename(path, join(folder, "audit.1"));
    assert.equal((await log.append(recordOf("x", "again"))).outcome, "again");
    await log.append(recordOf("y"));
    await truncate(path, 0);
    await log.append(recordOf("y"));
    assert.equal((await lines()).length, 1);
    // Filled again beyond the old size before we look.
    const foreign = `{"event_id":"${"0".repeat(64)}","outcome":"${"x".repeat(600)}"}\n`;
    await writeFile(path, foreign);
    assert.equal((await log.append(recordOf("y", "anew"))).outcome, "anew");
    await rm(folder, { recursive: true });
    await log.append(recordOf("z"));
    assert.deepEqual(
      (await lines()).map((line) => line["event_id"]),
      [eventIdOf("z|a-1|requested")],
    );
  });

  test("passes over lines that are not its own", async (t) => {
    const { path, open } = await scratch(t);
    await writeFile(path, 'no json\n\n[1]\n"x"\nnull\n{"event_id":1,"outcome":"x"}\n{"outcome":"x"}\n');
    assert.equal((await open().append(recordOf("x", "granted"))).outcome, "granted");
  });

  test("answers the first of two records of one event", async (t) => {
    const { path, open, lines } = await scratch(t);
    const line = (outcome: string) => auditLine(recordOf("x", outcome), []);
    await writeFile(path, `${line("granted")}${line("failure")}`);
    assert.equal((await open().append(recordOf("x", "timeout"))).outcome, "granted");
    assert.equal((await lines()).length, 2);
  });

  test("refuses what is not a plain file, and says what to do", async (t) => {
    const { folder, open } = await scratch(t);
    const target = join(folder, "target");
    await writeFile(target, "");
    await symlink(target, join(folder, "link"));
    await mkdir(join(folder, "folder"));
    execFileSync("bash", ["-c", 'mkfifo "$0"', join(folder, "pipe")]);
    for (const [name, why] of [
      ["link", /cannot be written: ELOOP.*; it is a symbolic link, which is not followed/],
      ["folder", /cannot be written: EISDIR.*; AUDIT_LOG_PATH must name a regular file/],
      ["pipe", /cannot be written: it is not a regular file; AUDIT_LOG_PATH must name a regular file/],
      ["target/audit.jsonl", /cannot be written: ENOTDIR.*; AUDIT_LOG_PATH must name a file in a folder/],
    ] as const) {
      const path = join(folder, name);
      const log = open(path);
      for (const attempt of [log.check(), log.append(recordOf("x"))]) {
        await assert.rejects(attempt, (error: Error & { code?: string }) => {
          assert.equal(error.code, "ERR_AUDIT");
          assert.ok(error.message.includes(path));
          assert.match(error.message, why);
          return true;
        });
      }
    }
    assert.equal((await readFile(target, "utf8")).length, 0);
  });

  test("goes on by itself when the folder comes back", async (t) => {
    const { folder, path, open, lines } = await scratch(t);
    const log = open();
    await rm(folder, { recursive: true });
    await writeFile(folder, "in the way");
    await assert.rejects(log.append(recordOf("x")), { code: "ERR_AUDIT" });
    await rm(folder);
    assert.ok(path.startsWith(folder));
    assert.equal((await log.append(recordOf("x"))).recorded, true);
    assert.equal((await lines()).length, 1);
  });

  // One process of its own: limits of file sizes are set from outside.
  const child = (path: string, body: string) =>
    `import { openAuditLog } from ${JSON.stringify(new URL("../src/audit/audit-log.js", import.meta.url).href)};
     const log = openAuditLog({ path: ${JSON.stringify(path)}, required: true, secrets: [] });
     const record = (name) => ({ ...${JSON.stringify(recordOf("x"))}, event_key: name, resource: name.padEnd(300, ".") });
     ${body}`;

  test("claims nothing that did not fit, and names the full disk", async (t) => {
    const { path } = await scratch(t);
    const script = child(
      path,
      `for (let n = 0; n < 6; n++) console.log(await log.append(record("n" + n)).then((it) => it.outcome, (e) => e.message));`,
    );
    const run = spawn("bash", ["-c", 'ulimit -f 2; exec "$0" --input-type=module -e "$1"', process.execPath, script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    run.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await once(run, "close");
    const answers = output.trim().split("\n");
    const recorded = answers.filter((answer) => answer === "requested").length;
    const text = await readFile(path, "utf8");
    assert.equal(text.length, 2_048);
    assert.ok(recorded > 0 && recorded === text.split("\n").length - 1, output);
    assert.match(
      answers[recorded] ?? "",
      /^The audit log .* cannot be written: only \d+ of \d+ bytes were written; make room/,
    );
    assert.match(answers.at(-1) ?? "", /cannot be written: EFBIG.*; rotate the file/);
  });

  test("confirms nothing while the disk is full or the file is read-only, says so, and goes on by itself", async (t) => {
    const { folder } = await scratch(t);
    // It answers each line of its input with what the activity said, and with its health.
    const script = (path: string): string =>
      child(
        path,
        `const { createRecordOutcome } = await import(${JSON.stringify(new URL("../src/activities/record-outcome.js", import.meta.url).href)});
         const { createInterface } = await import("node:readline");
         if (process.env.AS_NOBODY && process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
         let health;
         const recordOutcome = createRecordOutcome(log, (problem) => (health = problem));
         for await (const name of createInterface({ input: process.stdin })) {
           const said = await recordOutcome({ record: record(name), required: true })
             .then(() => "recorded", (error) => error.type);
           console.log(JSON.stringify({ said, health }));
         }
         await log.close();`,
      );
    const cases: readonly {
      readonly what: string;
      readonly command: string;
      readonly env: NodeJS.ProcessEnv;
      readonly health: RegExp;
      close(path: string, pid: number): Promise<void>;
      mend(path: string, pid: number): Promise<void>;
    }[] = [
      {
        what: "full",
        command: 'ulimit -S -f 2; exec "$0" --input-type=module -e "$1"',
        env: {},
        health: /cannot be written: (?:only \d+ of \d+ bytes were written; make room on that disk|EFBIG)/,
        close: async () => undefined,
        mend: async (_, pid) => void execFileSync("bash", ["-c", `prlimit --pid ${pid} --fsize=unlimited`]),
      },
      {
        what: "read-only",
        command: 'exec "$0" --input-type=module -e "$1"',
        env: { AS_NOBODY: "1" },
        health: /cannot be written: EACCES.*; make it writable for this user/,
        close: (path) => chmod(path, 0o444),
        mend: (path) => chmod(path, 0o666),
      },
    ];
    for (const { what, command, env, health, close, mend } of cases) {
      const path = join(folder, what, "audit.jsonl");
      await mkdir(join(folder, what), { mode: 0o777 });
      // Root has to give way for the one who may not write.
      await chmod(folder, 0o755);
      await chmod(join(folder, what), 0o777);
      await writeFile(path, "", { mode: 0o666 });
      await chmod(path, 0o666);
      const run = spawn("bash", ["-c", command, process.execPath, script(path)], {
        stdio: ["pipe", "pipe", "inherit"],
        env: { ...process.env, ...env },
      });
      const answers = createInterface({ input: run.stdout })[Symbol.asyncIterator]();
      const ask = async (name: string): Promise<{ said: string; health?: string }> => {
        run.stdin.write(`${name}\n`);
        const { value } = (await answers.next()) as { value: string };
        return JSON.parse(value) as { said: string; health?: string };
      };
      assert.deepEqual(await ask("first"), { said: "recorded" }, what);
      await close(path, run.pid as number);
      let number = 0;
      let answer = await ask(`${number}`);
      while (answer.said === "recorded") answer = await ask(`${++number}`);
      assert.equal(answer.said, "ERR_AUDIT", what);
      assert.match(answer.health ?? "", health, what);
      assert.equal((await ask(`${number}`)).said, "ERR_AUDIT", what);
      await mend(path, run.pid as number);
      assert.deepEqual(await ask(`${number}`), { said: "recorded" }, what);
      run.stdin.end();
      await once(run, "close");
      const report = await verifyAudit({ files: [path] });
      assert.deepEqual([report.damage, report.records >= number + 2], [[], true], what);
    }
  });

  test("lets four processes append to one file without tearing or losing a line", async (t) => {
    const { path, lines } = await scratch(t);
    const runs = ["a", "b", "c", "d"].map((name) => {
      const body = `await Promise.all(Array.from({ length: 150 }, (_, n) => log.append(record("${name}" + n))));
        await log.append(record("shared"));`;
      const run = spawn(process.execPath, ["--input-type=module", "-e", child(path, body)], { stdio: "inherit" });
      return once(run, "close");
    });
    assert.deepEqual(await Promise.all(runs), [[0, null], [0, null], [0, null], [0, null]]); // prettier-ignore
    const ids = (await lines()).map((line) => String(line["event_id"]));
    const expected = ["a", "b", "c", "d"].flatMap((name) =>
      Array.from({ length: 150 }, (_, n) => eventIdOf(`${name}${n}`)),
    );
    for (const id of [...expected, eventIdOf("shared")]) assert.ok(ids.includes(id));
    // Two processes may write the shared event in the same instant; each own event stands once.
    assert.equal(ids.filter((id) => id !== eventIdOf("shared")).length, 600);
  });
});
