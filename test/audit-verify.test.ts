/** `countersign audit`: what was done to a log is found, and what befell it is not called damage. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { cpSync } from "node:fs";
import {
  appendFile,
  copyFile,
  cp,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { lineText } from "../src/audit/audit-line.ts";
import { openAuditLog } from "../src/audit/audit-log.ts";
import { parseCheckpoint, signed } from "../src/audit/checkpoint.ts";
import { NO_HASH, recordHash } from "../src/audit/record-hash.ts";
import { auditSchema } from "../src/audit/record-schema.ts";
import type { AuditReport } from "../src/audit/report.ts";
import { verifyAudit } from "../src/audit/verify.ts";
import { main } from "../src/cli/main.ts";
import {
  finalRecord,
  noteRecord,
  requestedRecord,
  type AuditRecord,
  type RecordBase,
} from "../src/domain/audit-record.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";

type Line = Record<string, unknown>;

let folder: string;
let log: string;
/** Three runs of a worker, one after the other, of three lifecycles each. */
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "countersign-verify-"));
  log = join(folder, "original", "audit.jsonl");
  for (const run of ["a", "b", "c"]) await writeInProcess(log, `${run}1 ${run}2 ${run}3`, "one");
});
after(() => rm(folder, { recursive: true, force: true }));

function traceOf(name: string): string {
  return `5f0c9b5e-2d3b-4c8e-9a56-${Buffer.from(name.padEnd(6, "_")).toString("hex").slice(0, 12)}`;
}

function baseOf(name: string): RecordBase {
  return {
    workspace_id: "ws-1",
    workflow_id: `approval:ws-1:${name}`,
    task_id: `approval:ws-1:${name}#run`,
    trace_id: traceOf(name),
    action: `delete ${name}`,
    time_ms: Date.UTC(2026, 10, 22, 9, 0, 0),
  };
}

/** Asked and approved, a second apart. */
function lifecycle(name: string, changes: { verified?: boolean; decided_at?: string } = {}): AuditRecord[] {
  const base = baseOf(name);
  const result: ApprovalResult = {
    status: "approved",
    approved: true,
    approval_id: `approval-${name}`,
    decided_by: "ann",
    decided_at: changes.decided_at ?? "2026-11-22T09:00:00.900Z",
    verified: changes.verified ?? true,
    comment: "go ahead",
    trace_id: base.trace_id,
    workflow_id: base.workflow_id,
  };
  return [
    requestedRecord(base, result.approval_id, "because", 60),
    finalRecord({ ...base, time_ms: base.time_ms + 1_000 }, result, { deadline: "2026-11-22T09:01:05.000Z" }),
  ];
}

async function writeAll(path: string, records: readonly AuditRecord[]): Promise<void> {
  const writer = openAuditLog({ path, required: true, secrets: [] });
  await Promise.all(records.map((record) => writer.append(record)));
  await writer.close();
}

/** A process of its own. `one`: record by record; `all`: at once. */
async function writeInProcess(path: string, names: string, how: "one" | "all"): Promise<void> {
  const records = names.split(" ").flatMap((name) => lifecycle(name));
  const script = `import { openAuditLog } from ${JSON.stringify(new URL("../src/audit/audit-log.js", import.meta.url).href)};
    const log = openAuditLog({ path: ${JSON.stringify(path)}, required: true, secrets: [] });
    const records = JSON.parse(await new Response(process.stdin).text());
    if (${how === "one"}) for (const record of records) await log.append(record);
    else await Promise.all(records.map((record) => log.append(record)));
    await log.close();`;
  const run = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["pipe", "inherit", "inherit"] });
  run.stdin.end(JSON.stringify(records));
  assert.deepEqual(await once(run, "close"), [0, null]);
}

let copies = 0;

/** A copy of the log for one test, with its checkpoints. */
async function copyOf(
  original = log,
): Promise<{ path: string; lines: string[]; write(lines: readonly string[]): Promise<void> }> {
  const path = join(folder, `copy-${++copies}`, "audit.jsonl");
  await cp(join(original, ".."), join(path, ".."), { recursive: true });
  const lines = (await readFile(path, "utf8")).split("\n").slice(0, -1);
  return { path, lines, write: (changed) => writeFile(path, changed.map((line) => `${line}\n`).join("")) };
}

async function withoutCheckpoints(path: string): Promise<void> {
  await rm(`${path}.checkpoints`, { recursive: true });
}

function kindsOf(report: AuditReport): readonly string[] {
  return [...new Set(report.damage.map(({ kind }) => kind))];
}

/** The line with other content and, as a thief would, with the right hash for it. */
function rewritten(line: string | undefined, changes: Line): string {
  const { hash: _, ...record } = JSON.parse(line ?? "") as Line;
  const changed = { ...record, ...changes };
  return lineText({ ...changed, hash: recordHash(changed) });
}

describe("a log that nobody touched", () => {
  test("is clean, and its report says what was looked at", async () => {
    const { head, ...report } = await verifyAudit({ files: [log] });
    const bytes = (await readFile(log)).length;
    assert.deepEqual(report, {
      status: "clean",
      files: [{ file: "audit.jsonl", bytes, lines: 18 }],
      records: 18,
      writers: 3,
      unchained: 0,
      repeated: 0,
      traces: 9,
      open: 0,
      unverified_grants: 0,
      // The first records of each run, and its end.
      checkpoints: 6,
      damage: [],
      incomplete: [],
      notes: [],
      omitted: 0,
    });
    const last = JSON.parse((await readFile(log, "utf8")).trimEnd().split("\n").at(-1) ?? "") as Line;
    assert.deepEqual(head, { hash: last["hash"], count: 18 });
  });

  test("has lines of the published schema", async () => {
    const published: unknown = JSON.parse(
      await readFile(fileURLToPath(new URL("../../docs/audit-record.schema.json", import.meta.url)), "utf8"),
    );
    const { schema, json } = auditSchema();
    assert.deepEqual(published, json);
    const { lines } = await copyOf();
    for (const line of lines) schema.parse(JSON.parse(line));
    for (const wrong of [{ seq: 0 }, { hash: "x" }, { outcome: 1 }, { schema: 2 }, { event_type: "other" }]) {
      assert.equal(schema.safeParse({ ...(JSON.parse(lines[0] ?? "") as Line), ...wrong }).success, false);
    }
  });

  test("is clean while four processes write to it at once, and loses no record", async () => {
    const path = join(folder, "four", "audit.jsonl");
    const names = (run: string) => Array.from({ length: 40 }, (_, n) => `${run}${n}`).join(" ");
    await Promise.all(["p", "q", "r", "s"].map((run) => writeInProcess(path, names(run), "all")));
    const report = await verifyAudit({ files: [path] });
    assert.deepEqual([report.damage, report.incomplete], [[], []]);
    assert.deepEqual([report.records, report.writers, report.traces], [320, 4, 160]);

    // What was written side by side is pinned like the rest: any line that goes missing is missed.
    const { path: copy, lines, write } = await copyOf(path);
    await withoutCheckpoints(copy);
    for (let gone = 0; gone < lines.length - 8; gone += 7) {
      await write(lines.toSpliced(gone, 1));
      assert.equal((await verifyAudit({ files: [copy] })).status, "damaged", `without line ${gone + 1}`);
      await write(lines.toSpliced(gone, 2, lines[gone + 1] ?? "", lines[gone] ?? ""));
      assert.equal(
        (await verifyAudit({ files: [copy] })).status,
        "damaged",
        `with lines ${gone + 1} and ${gone + 2} swapped`,
      );
    }
  });

  test("is clean after a crash in the middle of a line, before and after it was mended", async () => {
    const { path } = await copyOf();
    await appendFile(path, '{"timestamp":"2026-11-2');
    const torn = await verifyAudit({ files: [path] });
    assert.equal(torn.status, "clean");
    assert.match(torn.notes.join(), /ends with 23 bytes of a line that was not finished/);
    await writeAll(path, lifecycle("d"));
    const mended = await verifyAudit({ files: [path] });
    assert.deepEqual([mended.status, mended.records], ["clean", 21]);
    assert.deepEqual(mended.notes, ["torn lines that were set aside (audit.recovered): 1"]);
    // Another process had come in between: its record and the fragment are one line now.
    await appendFile(path, `{"timestamp":"2026-11-2${(await readFile(path, "utf8")).split("\n")[0] ?? ""}\n`);
    assert.deepEqual(kindsOf(await verifyAudit({ files: [path] })), ["not_a_record"]);
    await writeAll(path, lifecycle("e"));
    const again = await verifyAudit({ files: [path] });
    assert.deepEqual([again.status, again.records], ["clean", 24]);
    assert.equal((await readdir(join(path, ".."))).filter((name) => name.endsWith(".torn")).length, 2);
  });

  test("is clean through rotations, whose files are given in any order", async () => {
    const path = join(folder, "rotated", "audit.jsonl");
    const [one, other] = [1, 2].map(() => openAuditLog({ path, required: true, secrets: [] }));
    assert.ok(one !== undefined && other !== undefined);
    const files: string[] = [];
    for (let n = 0; n < 3; n++) {
      for (const record of lifecycle(`one${n}`)) await one.append({ ...record, time_ms: record.time_ms + n * 10_000 });
      for (const record of lifecycle(`two${n}`))
        await other.append({ ...record, time_ms: record.time_ms + n * 10_000 });
      if (n === 2) break;
      files.push(`${path}.${n}`);
      await rename(path, `${path}.${n}`);
    }
    await one.close();
    await other.close();
    const whole = await verifyAudit({ files: [path, ...files] });
    assert.deepEqual([whole.status, whole.damage, whole.records, whole.notes], ["clean", [], 12, []]);
    const newest = await verifyAudit({ files: [path] });
    assert.deepEqual([newest.status, newest.records], ["clean", 4]);
    assert.match(newest.notes.join(), /checkpoints about rotated files that were not given: \d/);
    // A file taken out of their middle is missed.
    const holed = await verifyAudit({ files: [files[0] ?? "", path] });
    assert.deepEqual(kindsOf(holed), ["gap"]);
    // A process that never saw the old file knows of it by its checkpoint, and its requests may stand there.
    await rename(path, `${path}.2`);
    await writeAll(path, [...lifecycle("three").slice(1), ...lifecycle("four")]);
    const fresh = await verifyAudit({ files: [path] });
    assert.deepEqual([fresh.status, fresh.records], ["clean", 3]);
  });

  test("is clean where it carries on the log of the original tool, whose lines it does not vouch for", async () => {
    const path = join(folder, "carried-on", "audit.jsonl");
    await cp(join(log, ".."), join(path, ".."), { recursive: true });
    await rm(`${path}.checkpoints`, { recursive: true });
    await writeFile(path, '{"timestamp": "2026-11-21T00:00:00.000000+00:00", "outcome": "granted"}\n{"x": 1}\n');
    await writeAll(path, lifecycle("n"));
    const report = await verifyAudit({ files: [path] });
    assert.deepEqual([report.status, report.unchained, report.records], ["clean", 2, 2]);
    assert.match(report.notes.join(), /lines before the first chained record, which nothing protects: 2/);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('{"x": 1}', '{"x": 2}'));
    assert.deepEqual(kindsOf(await verifyAudit({ files: [path] })), ["break"]);
  });

  test("keeps one of two records of an event, and reports those that contradict each other", async () => {
    const path = join(folder, "repeated", "audit.jsonl");
    const [requested, granted] = lifecycle("x");
    assert.ok(requested !== undefined && granted !== undefined);
    await writeAll(path, [requested, granted]);
    // Too far back to be noticed by the writer.
    const filler = noteRecord(baseOf("x"), "create.duplicate", "filler", { kept: "k".repeat(900) });
    const far = Array.from({ length: 1_000 }, (_, n) => ({ ...filler, event_key: String(n) }));
    await writeAll(path, [...far, requested]);
    const twice = await verifyAudit({ files: [path] });
    assert.deepEqual([twice.status, twice.repeated, twice.traces], ["clean", 1, 1]);
    await writeAll(path, [
      ...far.map((one) => ({ ...one, event_key: `${one.event_key}b` })),
      { ...granted, outcome: "denied" },
    ]);
    assert.deepEqual(kindsOf(await verifyAudit({ files: [path] })), ["same_event"]);
  });
});

describe("tampering", () => {
  const edit = (line: string | undefined): string => (line ?? "").replace("delete b2", "delete b9");
  const forged = (lines: readonly string[], at: number): string =>
    rewritten(lines[at], {
      event_id: "f".repeat(64),
      trace_id: traceOf("forged"),
      writer_id: "f".repeat(16),
      seq: 1,
      file_prev: [(JSON.parse(lines[at] ?? "") as Line)["hash"]],
      file_size: Buffer.byteLength(lines.slice(0, at + 1).join("\n")) + 1,
      prev_at: undefined,
      prev_hash: NO_HASH,
    });
  const b2 = 8;
  const cases: readonly [string, (lines: readonly string[]) => readonly string[], string][] = [
    ["a word that was changed", (lines) => lines.with(b2, edit(lines[b2])), "edited"],
    [
      "a word that was changed, with its hash",
      (lines) => lines.with(b2, rewritten(lines[b2], { resource: "x" })),
      "break",
    ],
    [
      "a denial made a grant, with its hash",
      (lines) => lines.with(9, rewritten(lines[9], { outcome: "denied" })),
      "break",
    ],
    ["a line that was taken out", (lines) => lines.toSpliced(b2, 1), "gap"],
    ["a whole run that was taken out", (lines) => lines.toSpliced(6, 6), "break"],
    ["the first run that was taken out", (lines) => lines.slice(6), "moved"],
    ["two lines that changed places", (lines) => lines.toSpliced(b2, 2, lines[9] ?? "", lines[b2] ?? ""), "gap"],
    [
      "two runs that changed places",
      (lines) => [...lines.slice(6, 12), ...lines.slice(0, 6), ...lines.slice(12)],
      "break",
    ],
    ["a line that was copied", (lines) => lines.toSpliced(b2, 0, lines[3] ?? ""), "gap"],
    ["a forged line of a writer that never was", (lines) => lines.toSpliced(9, 0, forged(lines, b2)), "unnamed"],
    ["a line that is no record", (lines) => lines.toSpliced(b2, 0, "not JSON"), "not_a_record"],
    ["a record without a hash", (lines) => lines.toSpliced(b2, 0, '{"outcome":"granted"}'), "not_a_record"],
    ["a line that was blanked out", (lines) => lines.with(b2, " ".repeat(lines[b2]?.length ?? 0)), "gap"],
    [
      "a field that stands twice",
      (lines) => lines.with(b2, (lines[b2] ?? "").replace("{", '{"outcome":"granted",')),
      "rewritten",
    ],
    [
      "a text in other escapes",
      (lines) => lines.with(b2, (lines[b2] ?? "").replace("delete", "\\u0064elete")),
      "rewritten",
    ],
    ["two lines run together", (lines) => lines.toSpliced(b2, 2, `${lines[b2]}${lines[9]}`), "not_a_record"],
    ["lines cut from the end", (lines) => lines.slice(0, -1), "checkpoint"],
    ["an emptied file", () => [], "checkpoint"],
    [
      "the log of another day in its place",
      (lines) => lines.slice(0, 6).map((line) => rewritten(line, { schema: 1, seq: 2 })),
      "checkpoint",
    ],
  ];
  for (const [what, tamper, kind] of cases) {
    test(`is found: ${what}`, async () => {
      const { path, lines, write } = await copyOf();
      await write(tamper(lines));
      const report = await verifyAudit({ files: [path] });
      assert.equal(report.status, "damaged");
      assert.ok(kindsOf(report).includes(kind), JSON.stringify(report.damage, undefined, 1));
    });
  }

  test("is found by the line, the byte and the word", async () => {
    const { path, lines, write } = await copyOf();
    await withoutCheckpoints(path);
    await write(lines.with(b2, edit(lines[b2])));
    const { damage } = await verifyAudit({ files: [path] });
    const byte = Buffer.byteLength(lines.slice(0, b2).join("\n")) + 1;
    assert.deepEqual(damage, [
      {
        kind: "edited",
        place: { file: "audit.jsonl", line: 9, byte },
        text: "its content is not what its hash was made of",
      },
    ]);
  });

  test("is found without any checkpoint wherever a line but the newest is taken out, doubled or moved", async () => {
    const { path, lines, write } = await copyOf();
    await withoutCheckpoints(path);
    for (let at = 0; at < lines.length - 1; at++) {
      const [line = "", next = ""] = lines.slice(at);
      for (const [what, changed] of [
        ["taken out", lines.toSpliced(at, 1)],
        ["doubled", lines.toSpliced(at, 0, line)],
        ["moved", lines.toSpliced(at, 2, next, line)],
      ] as const) {
        await write(changed);
        const report = await verifyAudit({ files: [path] });
        assert.equal(report.status, "damaged", `line ${at + 1} ${what}`);
      }
    }
  });

  test("is found at every byte of a record", async () => {
    const { path } = await copyOf();
    await withoutCheckpoints(path);
    const whole = await readFile(path);
    const start = whole.indexOf("\n", whole.length / 2) + 1;
    for (let at = start; at < whole.indexOf("\n", start); at++) {
      const changed = Buffer.from(whole);
      changed[at] = (whole[at] as number) ^ 1;
      await writeFile(path, changed);
      assert.equal((await verifyAudit({ files: [path] })).status, "damaged", `byte ${at - start} of the record`);
    }
  });

  test("is found in the checkpoints themselves", async () => {
    const dayOf = async (path: string): Promise<string> => {
      const names = await readdir(`${path}.checkpoints`);
      return join(`${path}.checkpoints`, names.find((name) => name.endsWith(".jsonl")) ?? "");
    };
    const { path } = await copyOf();
    const day = await dayOf(path);
    const lines = (await readFile(day, "utf8")).trimEnd().split("\n");
    await writeFile(day, lines.map((line) => line.replace(/"size":\d+/, '"size":1')).join("\n"));
    assert.deepEqual(kindsOf(await verifyAudit({ files: [path] })), ["signature", "checkpoint"]);
    const own = generateKeyPairSync("ed25519").privateKey;
    const resigned = lines.map((line) => {
      const { signature: _, schema: __, ...facts } = parseCheckpoint(line) ?? assert.fail("a checkpoint");
      return JSON.stringify(signed(facts, own));
    });
    await writeFile(day, resigned.join("\n"));
    assert.deepEqual(kindsOf(await verifyAudit({ files: [path] })), ["signature"]);
    await rm(join(`${path}.checkpoints`, "key.pub.pem"));
    assert.deepEqual(kindsOf(await verifyAudit({ files: [path] })), ["signature"]);
    const missing = await copyOf(log);
    const writer = openAuditLog({ path: missing.path, required: true, secrets: [], checkpointRecords: 1 });
    for (const record of [...lifecycle("k"), ...lifecycle("l")]) await writer.append(record);
    await writer.close();
    assert.equal((await verifyAudit({ files: [missing.path] })).status, "clean");
    const missingDay = await dayOf(missing.path);
    const more = (await readFile(missingDay, "utf8")).trimEnd().split("\n");
    await writeFile(missingDay, more.toSpliced(-2, 1).join("\n"));
    assert.deepEqual(kindsOf(await verifyAudit({ files: [missing.path] })), ["checkpoint"]);
  });

  test("of the whole folder, rolled back to an old copy, is found with what was kept elsewhere", async () => {
    const { path } = await copyOf();
    const old = await copyOf(path);
    await writeAll(path, lifecycle("later"));
    const { head } = await verifyAudit({ files: [path] });
    const days = (await readdir(`${path}.checkpoints`)).filter((name) => name.endsWith(".jsonl"));
    const kept = join(folder, `kept-${copies}.jsonl`);
    await copyFile(join(`${path}.checkpoints`, days.at(-1) ?? ""), kept);

    cpSync(join(old.path, ".."), join(path, ".."), { recursive: true, force: true });
    // Alone, the old copy is whole.
    assert.equal((await verifyAudit({ files: [path] })).status, "clean");
    assert.deepEqual(kindsOf(await verifyAudit({ files: [path], keptCheckpoints: [kept] })), ["checkpoint"]);
    assert.ok(head !== undefined);
    assert.deepEqual(kindsOf(await verifyAudit({ files: [path], head })), ["head"]);
  });
});

describe("what the records tell", () => {
  const later = Date.UTC(2026, 10, 22, 12, 0, 0);
  const told = async (records: readonly AuditRecord[], nowMs = later): Promise<AuditReport> => {
    const path = join(folder, `told-${++copies}`, "audit.jsonl");
    await writeAll(path, records);
    return verifyAudit({ files: [path], nowMs });
  };

  test("is incomplete where a request has no end after its time, and only open before", async () => {
    const [requested] = lifecycle("x");
    assert.ok(requested !== undefined);
    const over = await told([requested, ...lifecycle("y")]);
    assert.deepEqual(
      [over.status, over.incomplete.map(({ kind }) => kind), over.open],
      ["incomplete", ["no_final"], 0],
    );
    const still = await told([requested, ...lifecycle("y")], requested.time_ms + 30_000);
    assert.deepEqual([still.status, still.open], ["clean", 1]);
  });

  test("is incomplete where a request was never recorded", async () => {
    const report = await told(lifecycle("x").slice(1));
    assert.deepEqual([report.status, report.incomplete.map(({ kind }) => kind)], ["incomplete", ["no_request"]]);
  });

  test("is damage where a request ended twice, or was granted too late or by nobody", async () => {
    const [requested, granted] = lifecycle("x");
    assert.ok(requested !== undefined && granted !== undefined);
    const second = { ...granted, event_key: "other", outcome: "denied" };
    const nobody = { ...granted, extras: { approval_id: "a", decided_by: "ann" } };
    const denied = { ...granted, extras: { ...granted.extras, decision: { status: "denied", verified: true } } };
    for (const [records, kind] of [
      [[requested, granted, second], "two_finals"],
      [[requested, nobody], "unverified_grant"],
      [[requested, denied], "unverified_grant"],
      [lifecycle("x", { decided_at: "2026-11-22T09:01:05.001Z" }), "late_grant"],
    ] as const) {
      assert.deepEqual(kindsOf(await told(records)), [kind]);
    }
  });

  test("counts grants for which only a socket vouched", async () => {
    const report = await told(lifecycle("x", { verified: false }));
    assert.deepEqual([report.status, report.unverified_grants], ["clean", 1]);
    assert.match(report.notes.join(), /grants that rest on an authenticated socket alone \(verified: false\): 1/);
  });
});

describe("countersign audit", () => {
  const run = async (
    argv: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ code: number; out: string; err: string }> => {
    const said = { out: "", err: "" };
    const code = await main(argv, {
      out: (text) => void (said.out += `${text}\n`),
      err: (text) => void (said.err += `${text}\n`),
      colour: { out: false, err: false },
      env,
      onInterrupt: () => () => undefined,
      exitCode: 0,
    });
    return { code, ...said };
  };

  test("verify exits 0 for a clean log and ends with its head, which proves it later", async () => {
    const clean = await run(["audit", "verify"], { AUDIT_LOG_PATH: log });
    assert.equal(clean.code, 0, clean.err);
    const [, head = ""] = /\nThe log is whole\.\nhead ([0-9a-f]{64}:18)\n$/.exec(clean.out) ?? assert.fail(clean.out);
    const { path, lines, write } = await copyOf();
    assert.equal((await run(["audit", "verify", path, "--head", head])).code, 0);
    await withoutCheckpoints(path);
    await write(lines.slice(0, -2));
    assert.equal((await run(["audit", "verify", path])).code, 0);
    const cut = await run(["audit", "verify", path, "--head", head]);
    assert.equal(cut.code, 1);
    assert.match(cut.out, /damaged: record 18 with hash [0-9a-f]{64} is not there/);
    assert.doesNotMatch(cut.out, /^head /m);
  });

  test("verify exits 1 for damage and names file, line and byte", async () => {
    const { path, lines, write } = await copyOf();
    await write(lines.toSpliced(3, 1));
    const { code, out } = await run(["audit", "verify", path]);
    assert.equal(code, 1);
    assert.match(
      out,
      /damaged audit\.jsonl:4 \(byte \d+\): record 4 is missing before it, of writer [0-9a-f]{16} \[gap\]/,
    );
    const { damage } = JSON.parse((await run(["audit", "verify", path, "--json"])).out) as AuditReport;
    assert.equal(damage[0]?.place?.line, 4);
  });

  test("verify exits 4 for requests without an end, 3 for what cannot be read, 2 for misuse", async () => {
    const path = join(folder, "incomplete", "audit.jsonl");
    await writeAll(path, lifecycle("x").slice(1));
    assert.equal((await run(["audit", "verify", path])).code, 4);
    const missing = await run(["audit", "verify", join(folder, "nowhere")]);
    assert.equal(missing.code, 3);
    assert.match(missing.err, /The audit log .*nowhere cannot be read: ENOENT/);
    assert.equal((await run(["audit", "verify", folder])).code, 3);
    assert.equal((await run(["audit", "verify", log, "--checkpoint", join(folder, "nowhere")])).code, 3);
    assert.equal((await run(["audit", "verify", log, "--head", "x"])).code, 2);
  });

  test("show tells a request by its trace, approval or workflow, and hides nothing in its texts", async () => {
    const path = join(folder, "shown", "audit.jsonl");
    const [requested, granted] = lifecycle("x");
    assert.ok(requested !== undefined && granted !== undefined);
    await writeAll(path, [...lifecycle("y"), { ...requested, resource: "rm \u001b[2J\u202e" }, granted]);
    for (const id of [traceOf("x"), "approval-x", "approval:ws-1:x"]) {
      const { code, out } = await run(["audit", "show", id, path]);
      assert.equal(code, 0);
      assert.equal(
        out,
        `Trace     ${traceOf("x")}
Action    rm \\u{1b}[2J\\u{202e}
Reason    because
Workspace ws-1
Workflow  approval:ws-1:x
Approval  approval-x
2026-11-22T09:00:00.000000+00:00  Asked by ws-1, as approval approval-x
2026-11-22T09:00:01.000000+00:00  Approved by ann: "go ahead", decided at 2026-11-22T09:00:00.900Z, read back from the platform
`,
      );
    }
    assert.equal((JSON.parse((await run(["audit", "show", "approval-x", path, "--json"])).out) as Line[]).length, 2);
    const unknown = await run(["audit", "show", "nothing", path]);
    assert.equal(unknown.code, 3);
    assert.match(unknown.err, /No record of nothing in /);
  });

  test("tail prints the newest records, and with -f those that follow, also in the next file", async () => {
    const { path } = await copyOf();
    const two = await run(["audit", "tail", path, "-n", "2"]);
    assert.match(
      two.out,
      /^.* Asked by ws-1, as approval approval-c3 \| delete c3\n.* Approved by ann.* \| delete c3\n$/,
    );

    const said: string[] = [];
    let next = (): void => undefined;
    let stop = (): void => undefined;
    const until = async (word: string): Promise<void> => {
      while (!said.some((line) => line.includes(word))) await new Promise<void>((resolve) => (next = resolve));
    };
    const following = main(["audit", "tail", path, "-f", "-n", "1"], {
      out(text) {
        said.push(text);
        next();
      },
      err: () => undefined,
      colour: { out: false, err: false },
      env: {},
      onInterrupt(listener) {
        stop = listener;
        return () => undefined;
      },
      exitCode: 0,
    });
    await until("Approved by ann");
    await writeAll(path, lifecycle("new"));
    await until("approval-new");
    await rename(path, `${path}.1`);
    await writeAll(path, lifecycle("newer"));
    await until("approval-newer");
    await truncate(path, 0);
    stop();
    assert.equal(await following, 130);
  });
});
