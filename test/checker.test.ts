/** The checker of the fault suite is worth what it finds: each invariant is broken here on purpose. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { brokenChains, parsedLines } from "../chaos/audit-trail.ts";
import { violations } from "../chaos/checker.ts";
import { settled, type Attempt, type Book, type Evidence, type RequestEvidence } from "../chaos/witness.ts";
import { openAuditLog } from "../src/audit/audit-log.ts";
import { finalRecord, requestedRecord } from "../src/domain/audit-record.ts";
import type { ApprovalResult } from "../src/domain/outcome.ts";
import type { PlatformApproval } from "./support/platform-store.ts";

const CREATED_MS = Date.UTC(2026, 0, 1);
const WORKFLOW = "approval:ws:r1";
const BASE = {
  workspace_id: "ws",
  workflow_id: WORKFLOW,
  task_id: `${WORKFLOW}#run`,
  trace_id: "5f0c9b5e-2d3b-4c8e-9a56-0d4a6a4b7c11",
  action: "drop the table",
  time_ms: CREATED_MS,
};

const APPROVED: ApprovalResult = {
  status: "approved",
  approved: true,
  approval_id: "a1",
  decided_by: "ana",
  verified: true,
  trace_id: BASE.trace_id,
  workflow_id: WORKFLOW,
};
const TIMED_OUT: ApprovalResult = {
  status: "timed_out",
  approved: false,
  approval_id: "a1",
  withdrawn: false,
  error: "Timed out after 10s waiting for human decision",
  trace_id: BASE.trace_id,
  workflow_id: WORKFLOW,
};

function approval(over: Partial<PlatformApproval> = {}): PlatformApproval {
  return {
    id: "a1",
    workspace_id: "ws",
    task_id: BASE.task_id,
    action: BASE.action,
    reason: "",
    context: null,
    status: "approved",
    decided_by: "ana",
    created_at: new Date(CREATED_MS).toISOString(),
    decided_at: new Date(CREATED_MS + 2_000).toISOString(),
    ...over,
  };
}

async function trail(results: readonly ApprovalResult[], requested = true): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "countersign-checker-"));
  const log = openAuditLog({ path: join(folder, "audit.jsonl"), required: true, secrets: [] });
  try {
    if (requested) await log.append(requestedRecord(BASE, "a1", "because"));
    for (const [n, result] of results.entries()) {
      const record = finalRecord(BASE, result);
      // The writer refuses a second final record by its key, so a planted one needs another.
      await log.append(n === 0 ? record : { ...record, event_key: `planted ${n}` });
    }
    return await readFile(log.path, "utf8");
  } finally {
    await log.close();
    await rm(folder, { recursive: true });
  }
}

function request(result: ApprovalResult, over: Partial<RequestEvidence> = {}): RequestEvidence {
  const told = { ...result };
  return {
    workflow_id: WORKFLOW,
    started_ms: CREATED_MS,
    timeout_seconds: 10,
    results: [told],
    stored: { status: "COMPLETED", closed_ms: CREATED_MS + 3_000, result: told },
    ...over,
  };
}

async function evidence(over: Partial<Evidence> = {}): Promise<Evidence> {
  return {
    requests: [request(APPROVED)],
    audit: over.audit ?? [await trail([APPROVED])],
    approvals: [approval()],
    attempts: [attempt()],
    listed_ms: [CREATED_MS + 2_100],
    approved_by_us: [],
    poll_interval_seconds: 1,
    up_ms: 0,
    grace_ms: 30_000,
    trail_is_whole: true,
    outputs: [{ from: "the log", text: "all is well" }],
    secrets: ["s3cret-token"],
    ...over,
  };
}

function attempt(over: Partial<Attempt> = {}): Attempt {
  return { approval_id: "a1", decision: "approved", by: "ana", sent_ms: CREATED_MS + 1_990, known: "taken", ...over };
}

/** What a client says that could not reach Temporal. */
const UNSTARTED = {
  status: "failed",
  approved: false,
  error: "cannot reach Temporal",
  trace_id: "",
  workflow_id: WORKFLOW,
};

function unknownStart(over: Partial<RequestEvidence> = {}): RequestEvidence {
  return { ...request(APPROVED, { results: [UNSTARTED], stored: undefined }), start: "unknown", ...over };
}

const BOOK: Book = { withdrawals: new Set(), config_broken: [], list_capped: [] };

/** From and to, in milliseconds after the creation. */
const spell = (from: number, to: number) => ({ from_ms: CREATED_MS + from, to_ms: CREATED_MS + to });

const FORBIDDEN: ApprovalResult = {
  status: "forbidden",
  approved: false,
  error: "RBAC: config.yaml cannot be read",
  trace_id: BASE.trace_id,
  workflow_id: WORKFLOW,
};

const withdrawn = (result: ApprovalResult, text: string): Partial<Evidence> => ({
  requests: [request(result)],
  approvals: [approval({ status: "denied", decided_by: "countersign:cancelled" })],
  attempts: [],
  audit: [text],
});

const lateNote = (line: object) => JSON.stringify(line);
const pending = { status: "pending", decided_by: null, decided_at: null } as const;

const PLANTED: readonly [
  invariant: string,
  what: string,
  over: () => Promise<Partial<Evidence>> | Partial<Evidence>,
][] = [
  ["I1", "is not in Temporal", () => ({ requests: [request(APPROVED, { stored: undefined })] })],
  [
    "I1",
    "was perhaps started, is in Temporal, and never ends",
    () => ({
      requests: [unknownStart({ stored: { status: "RUNNING", closed_ms: undefined, result: undefined } })],
    }),
  ],
  [
    "I2",
    "was surely started, and told its caller that it was not",
    () => ({ requests: [request(APPROVED, { results: [UNSTARTED] })] }),
  ],
  ["I1", "was perhaps started, is not in Temporal, and stands on the platform", () => ({ requests: [unknownStart()] })],
  [
    "I2",
    "was perhaps started, and answered one who asked again otherwise than Temporal keeps",
    () => ({ requests: [{ ...request(APPROVED, { results: [UNSTARTED, { ...TIMED_OUT }] }), start: "unknown" }] }),
  ],
  [
    "I1",
    "never ends",
    () => ({
      requests: [request(APPROVED, { stored: { status: "RUNNING", closed_ms: undefined, result: undefined } })],
    }),
  ],
  [
    "I1",
    "ends 41 s after its start with 10 s to wait",
    () => ({
      requests: [
        request(APPROVED, { stored: { status: "COMPLETED", closed_ms: CREATED_MS + 41_000, result: { ...APPROVED } } }),
      ],
    }),
  ],
  [
    "I1",
    "was terminated",
    () => ({
      requests: [request(APPROVED, { stored: { status: "TERMINATED", closed_ms: CREATED_MS + 1, result: undefined } })],
    }),
  ],
  [
    "I2",
    "is told two callers differently",
    () => ({ requests: [request(APPROVED, { results: [{ ...APPROVED }, { ...APPROVED, decided_by: "ben" }] })] }),
  ],
  ["I2", "names another decider than the platform", () => ({ approvals: [approval({ decided_by: "ben" })] })],
  ["I2", "has another status than the platform", () => ({ approvals: [approval({ status: "denied" })] })],
  ["I2", "leaves a second approval pending", () => ({ approvals: [approval(), approval({ id: "a2", ...pending })] })],
  [
    "I2",
    "says withdrawn of what is pending",
    async () => {
      const result: ApprovalResult = { ...TIMED_OUT, withdrawn: true };
      return { requests: [request(result)], approvals: [approval(pending)], audit: [await trail([result])] };
    },
  ],
  [
    "I2",
    "was approved by a person and timed out, and no record says so",
    async () => ({ requests: [request(TIMED_OUT)], audit: [await trail([TIMED_OUT])] }),
  ],
  ["I3", "is granted without a person", () => ({ attempts: [] })],
  [
    "I3",
    "is granted although the only person who tried was refused",
    () => ({ attempts: [attempt({ known: "refused" })] }),
  ],
  [
    "I3",
    "is granted although the only person who may have decided denied it",
    () => ({ attempts: [attempt({ decision: "denied", known: "unknown" })] }),
  ],
  [
    "I3",
    "is granted in the name of another than the one who may have decided",
    () => ({ attempts: [attempt({ by: "ben", known: "unknown" })] }),
  ],
  [
    "I3",
    "is granted unverified while the list could show it",
    async () => {
      const result: ApprovalResult = { ...APPROVED, verified: false };
      return { requests: [request(result)], book: { ...BOOK, list_capped: [spell(-9_000, -1_000)] } };
    },
  ],
  [
    "I2",
    "was denied as far as the person knows, and approved on the platform",
    () => ({ attempts: [attempt(), attempt({ decision: "denied", by: "ben" })] }),
  ],
  [
    "I2",
    "was cancelled, and nobody withdrew it",
    async () => {
      const result: ApprovalResult = { ...TIMED_OUT, status: "cancelled", error: "Cancelled by the caller" };
      return { ...withdrawn(result, await trail([result])), book: BOOK };
    },
  ],
  [
    "I2",
    "was forbidden while its roles could be read",
    async () => ({
      requests: [request(FORBIDDEN)],
      approvals: [],
      audit: [await trail([FORBIDDEN], false)],
      book: { ...BOOK, config_broken: [spell(4_000, 5_000)] },
    }),
  ],
  ["I3", "is granted while the platform says pending", () => ({ approvals: [approval(pending)] })],
  ["I3", "is granted by an approval that is not there", () => ({ approvals: [] })],
  [
    "I3",
    "is granted 12 s after it was asked, with 10 s to wait",
    () => ({ approvals: [approval({ decided_at: new Date(CREATED_MS + 12_000).toISOString() })] }),
  ],
  ["I3", "is granted without a reading after the decision", () => ({ listed_ms: [CREATED_MS + 1_000] })],
  [
    "I3",
    "is granted by the approval of another request",
    () => ({ approvals: [approval({ task_id: "approval:ws:r2#x" })] }),
  ],
  ["I3", "is approved with the agent's own token", () => ({ approved_by_us: ["a1"] })],
  ["I4", "has no final record", async () => ({ audit: [await trail([])] })],
  ["I4", "has two final records", async () => ({ audit: [await trail([APPROVED, APPROVED])] })],
  ["I4", "has the record of another end", async () => ({ audit: [await trail([TIMED_OUT])] })],
  [
    "I4",
    "has only the record of an approval that is not its own",
    async () => ({
      requests: [request({ ...APPROVED, approval_id: "a2" })],
      approvals: [approval({ id: "a2" }), approval({ task_id: "approval:ws:r2#x" })],
      attempts: [attempt({ approval_id: "a2" })],
    }),
  ],
  ["I4", "has no record that it was requested", async () => ({ audit: [await trail([APPROVED], false)] })],
  [
    "I4",
    "has a record that was changed",
    async () => ({ audit: [(await trail([APPROVED])).replace("drop the table", "read the table")] }),
  ],
  [
    "I4",
    "has lost its first record",
    async () => ({ audit: [(await trail([APPROVED])).split("\n").slice(1).join("\n")] }),
  ],
  ["I5", "shows a secret in an output", () => ({ outputs: [{ from: "the worker", text: "Bearer s3cret-token" }] })],
];

describe("the checker", () => {
  test("finds nothing wrong where nothing is", async () => {
    assert.deepEqual(violations(await evidence()), []);
  });

  for (const [invariant, what, over] of PLANTED) {
    test(`finds ${invariant} broken by a request that ${what}`, async () => {
      const found = violations(await evidence(await over()));
      assert.ok(
        found.some((one) => one.invariant === invariant && one.text !== ""),
        JSON.stringify(found),
      );
    });
  }

  test("takes a late approval for explained where decision.late names it", async () => {
    const late = lateNote({
      trace_id: BASE.trace_id,
      event_id: "x",
      action: "decision.late",
      outcome: "skipped",
      approval_id: "a1",
    });
    const audit = [`${await trail([TIMED_OUT])}${late}\n`];
    assert.deepEqual(violations(await evidence({ requests: [request(TIMED_OUT)], audit })), []);
  });

  test("counts the time to end from when everything was up again", async () => {
    const closed_ms = CREATED_MS + 100_000;
    const stored = { status: "COMPLETED", closed_ms, result: { ...APPROVED } };
    const requests = [request(APPROVED, { stored })];
    assert.equal(violations(await evidence({ requests })).length, 1);
    assert.deepEqual(violations(await evidence({ requests, up_ms: CREATED_MS + 90_000 })), []);
  });

  test("believes what its doers did not know to be what stands in Temporal and on the platform", async () => {
    const attempts = [attempt({ known: "unknown" }), attempt({ by: "ben", decision: "denied", known: "unknown" })];
    const gone = { ...unknownStart(), workflow_id: "approval:ws:r2" };
    const found = await evidence({
      requests: [{ ...request(APPROVED), results: [UNSTARTED], start: "unknown" }, gone],
      attempts,
    });
    assert.deepEqual(violations(found), []);
    const late = [request(APPROVED, { results: [UNSTARTED, { ...APPROVED }], start: "late" })];
    assert.deepEqual(violations({ ...found, requests: late }), []);
    assert.deepEqual(settled(found), {
      unknown_starts: 2,
      of_these_started: 1,
      late_starts: 0,
      unknown_decisions: 2,
      of_these_stand: 1,
      timed_out_unread: 0,
    });
    const unread = await evidence({ requests: [request(TIMED_OUT)] });
    assert.equal(settled(unread).timed_out_unread, 1);
  });

  test("takes the record of the other one for enough where a request was created twice and its twin was decided", async () => {
    const result: ApprovalResult = { ...APPROVED, approval_id: "a2" };
    const denied = { status: "denied", decided_by: "countersign:duplicate" } as const;
    const over = {
      requests: [request(result)],
      approvals: [approval(denied), approval({ id: "a2" })],
      attempts: [attempt({ approval_id: "a2" })],
      audit: [await trail([result])],
    };
    assert.deepEqual(violations(await evidence(over)), []);
  });

  test("takes an outcome for explained where the book names its cause", async () => {
    const cancelled: ApprovalResult = { ...TIMED_OUT, status: "cancelled", error: "Cancelled by the caller" };
    const unverified: ApprovalResult = { ...APPROVED, verified: false };
    for (const over of [
      { ...withdrawn(cancelled, await trail([cancelled])), book: { ...BOOK, withdrawals: new Set([WORKFLOW]) } },
      { requests: [request(unverified)], book: { ...BOOK, list_capped: [spell(1_000, 4_000)] } },
      {
        requests: [request(FORBIDDEN)],
        approvals: [],
        audit: [await trail([FORBIDDEN], false)],
        book: { ...BOOK, config_broken: [spell(-500, 100)] },
      },
      {
        // The answer to its first start was lost; when it was asked again it had ended already.
        requests: [request(FORBIDDEN, { started_ms: CREATED_MS + 9_000, first_ms: CREATED_MS, start: "late" })],
        approvals: [],
        audit: [await trail([FORBIDDEN], false)],
        book: { ...BOOK, config_broken: [spell(-500, 100)] },
      },
    ])
      assert.deepEqual(violations(await evidence(over)), []);
  });

  test("passes over a torn line, and over one event that was written twice", async () => {
    const lines = parsedLines(`${await trail([APPROVED])}{"torn":`);
    assert.equal(lines.length, 2);
    assert.deepEqual(brokenChains(lines), []);
  });
});
