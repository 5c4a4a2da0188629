/**
 * Measures the audit log: one record on disk (p50, p99), four processes that write 10,000 records each to one file, and the
 * verification of a million records. Prints one line each; exits 1 where a record was lost or a bound does not hold.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bodyOf, sealed } from "../src/audit/audit-line.ts";
import { openAuditLog } from "../src/audit/audit-log.ts";
import { NO_HASH, sha256 } from "../src/audit/record-hash.ts";
import { verifyAudit } from "../src/audit/verify.ts";
import { finalRecord, requestedRecord, type AuditRecord, type RecordBase } from "../src/domain/audit-record.ts";

const APPENDS = 1_000;
const PROCESSES = 4;
const EACH = 10_000;
const MANY = 1_000_000;
const SECONDS = 30;
const MEGABYTES = 300;

function baseOf(name: string): RecordBase {
  const digest = sha256(name);
  return {
    workspace_id: "ws-1",
    workflow_id: `approval:ws-1:${name}`,
    task_id: `approval:ws-1:${name}#run`,
    trace_id: `${digest.slice(0, 8)}-${digest.slice(8, 12)}-4${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`,
    action: "delete the staging database and everything in it",
    time_ms: Date.UTC(2026, 0, 1),
  };
}

function lifecycle(name: string): readonly [AuditRecord, AuditRecord] {
  const base = baseOf(name);
  const ids = { approval_id: base.trace_id, trace_id: base.trace_id, workflow_id: base.workflow_id };
  const decided = { decided_by: "ann", decided_at: "2026-01-01T00:00:01.000Z", verified: true };
  return [
    requestedRecord(base, ids.approval_id, "the schema was rebuilt", 300),
    finalRecord(base, { status: "approved", approved: true, ...ids, ...decided }),
  ];
}

async function appendLatency(path: string): Promise<void> {
  const log = openAuditLog({ path, required: true, secrets: [] });
  const times: number[] = [];
  for (let n = 0; n < APPENDS / 2; n++) {
    for (const record of lifecycle(`one-${n}`)) {
      const from = performance.now();
      await log.append(record);
      times.push(performance.now() - from);
    }
  }
  await log.close();
  times.sort((a, b) => a - b);
  const at = (share: number): string => `${(times[Math.floor(times.length * share)] ?? Number.NaN).toFixed(2)} ms`;
  console.log(
    `append, on disk: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(0.9999)} (${APPENDS} records, one by one)`,
  );
}

async function manyWriters(path: string): Promise<boolean> {
  const from = performance.now();
  const runs = Array.from({ length: PROCESSES }, (_, n) =>
    once(spawn(process.execPath, [import.meta.filename, "write", path, `p${n}`], { stdio: "inherit" }), "close"),
  );
  const codes = (await Promise.all(runs)).map(([code]) => code as number | null);
  const seconds = (performance.now() - from) / 1_000;
  const { status, records, repeated, damage } = await verifyAudit({ files: [path] });
  const ok = codes.every((code) => code === 0) && status === "clean" && records - repeated === PROCESSES * EACH;
  console.log(
    `${PROCESSES} processes x ${EACH} records: ${records} stand, ${status}, ${damage.length} damaged, in ${seconds.toFixed(1)} s ` +
      `(${Math.round(records / seconds)} records/s)${ok ? "" : "  FAILED"}`,
  );
  return ok;
}

async function write(path: string, name: string): Promise<void> {
  const log = openAuditLog({ path, required: true, secrets: [] });
  for (let n = 0; n < EACH / 2; n += 100) {
    const records = Array.from({ length: 100 }, (_, more) => lifecycle(`${name}-${n + more}`)).flat();
    await Promise.all(records.map((record) => log.append(record)));
  }
  await log.close();
}

async function bigLog(path: string): Promise<boolean> {
  makeLog(path);
  const run = spawn(process.execPath, [import.meta.filename, "verify", path], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  run.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(run, "close");
  const { status, records, seconds, busy, megabytes } = JSON.parse(output) as Record<string, number | string>;
  const ok = status === "clean" && records === MANY && Number(seconds) < SECONDS && Number(megabytes) < MEGABYTES;
  console.log(
    `verify ${records} records: ${status}, ${Number(seconds).toFixed(1)} s (bound ${SECONDS}; ${Number(busy).toFixed(1)} s of processor), ` +
      `${megabytes} MB at most (bound ${MEGABYTES})${ok ? "" : "  FAILED"}`,
  );
  return ok;
}

async function verify(path: string): Promise<void> {
  const from = performance.now();
  const { status, records } = await verifyAudit({ files: [path] });
  const seconds = (performance.now() - from) / 1_000;
  // Kilobytes, as Linux and macOS count here.
  const megabytes = Math.round(process.resourceUsage().maxRSS / 1_024);
  const busy = process.cpuUsage().user / 1e6;
  console.log(JSON.stringify({ status, records, seconds, busy, megabytes }));
}

/** As one writer would have written it, without its fsyncs. */
function makeLog(path: string): void {
  const file = openSync(path, "wx", 0o600);
  const bodies = lifecycle("template").map((record) => bodyOf(record, []));
  let [at, previousAt, prev_hash] = [0, 0, NO_HASH];
  let chunk: string[] = [];
  for (let n = 0; n < MANY; n++) {
    const { trace_id, workflow_id } = baseOf(`many-${n >> 1}`);
    const body = { ...bodies[n & 1], trace_id, workflow_id, approval_id: trace_id, event_id: sha256(`${n}`) };
    const place = n === 0 ? { file_prev: [], file_size: 0 } : { prev_at: previousAt };
    const { line, hash } = sealed(body, { writer_id: "bench", seq: n + 1, ...place, prev_hash });
    [previousAt, prev_hash] = [at, hash];
    at += Buffer.byteLength(line);
    chunk.push(line);
    if (chunk.length === 1_000) {
      writeSync(file, chunk.join(""));
      chunk = [];
    }
  }
  writeSync(file, chunk.join(""));
  closeSync(file);
}

const [task, path = "", name = ""] = process.argv.slice(2);
if (task === "write") await write(path, name);
else if (task === "verify") await verify(path);
else {
  const folder = await mkdtemp(join(tmpdir(), "countersign-audit-bench-"));
  try {
    await appendLatency(join(folder, "one.jsonl"));
    const ok = [await manyWriters(join(folder, "four.jsonl")), await bigLog(join(folder, "many.jsonl"))];
    if (ok.includes(false)) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
