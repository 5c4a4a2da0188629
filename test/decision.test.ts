import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { lateness, parseTime, type Window } from "../src/domain/deadline.ts";
import { judge } from "../src/domain/decision.ts";
import { emptyHintBox, hear, parseHint } from "../src/domain/hints.ts";
import type { ListItem } from "../src/domain/listing.ts";
import * as names from "../src/domain/names.ts";
import { modelLine, STATUSES, timedOutText, type ApprovalResult } from "../src/domain/outcome.ts";
import type { Hint, Reading } from "../src/domain/ports.ts";
import { marked } from "../src/domain/visible.ts";
import { LIMITS, problemsOf, utf8Length } from "../src/domain/request.ts";
import { parseConnected, parseLate, parseWake } from "../src/domain/watch-signals.ts";

const T0 = Date.parse("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(T0 + seconds * 1_000).toISOString();
/** Timeout 10 s, poll interval 2 s, read at the deadline. */
const WINDOW: Window = {
  timeout_ms: 10_000,
  poll_interval_ms: 2_000,
  deadline_ms: T0 + 10_000,
  read_at_ms: T0 + 10_000,
};
const pending: ListItem = { approval_id: "a", task_id: "t", status: "pending", decided_by: "", created_at: at(0) };
const decided = (status: "approved" | "denied", by: string, seconds: number | undefined, id = "a"): ListItem => ({
  ...pending,
  approval_id: id,
  status,
  decided_by: by,
  ...(seconds === undefined ? {} : { decided_at: at(seconds) }),
});
const reading = (items: readonly ListItem[], capped = false, vouched: readonly Hint[] = []): Reading => ({
  items,
  capped,
  vouched,
});
const verdict = (items: readonly ListItem[], window = WINDOW) => judge(reading(items), "a", window).verdict;

describe("times of the platform", () => {
  test("are read with any number of fraction digits and any offset", () => {
    assert.equal(parseTime("2026-01-01T00:00:00Z"), T0);
    assert.equal(parseTime("2026-01-01T01:00:00.25+01:00"), T0 + 250);
    assert.equal(parseTime("2026-01-01T00:00:00.000001Z"), T0 + 0.001);
  });

  for (const text of [
    undefined,
    "",
    "yesterday",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "2026-13-01T00:00:00Z",
    "1767225600",
  ]) {
    test(`are unknown where they are not RFC 3339: ${text}`, () => assert.equal(parseTime(text), undefined));
  }

  test("allow a decision one poll interval beyond the timeout, and not a microsecond more", () => {
    assert.equal(lateness({ created_at: at(0), decided_at: at(12) }, WINDOW), undefined);
    assert.equal(lateness({ created_at: at(0), decided_at: "2026-01-01T00:00:12.000001Z" }, WINDOW), "after_deadline");
  });

  test("decide, however late the reading is", () => {
    const outage = { ...WINDOW, read_at_ms: T0 + 3_600_000 };
    assert.equal(lateness({ created_at: at(0), decided_at: at(9) }, outage), undefined);
    assert.equal(lateness({ created_at: at(0), decided_at: at(60) }, outage), "after_deadline");
  });

  test("are replaced by the time of the reading where they are missing, unreadable or reversed", () => {
    const unknown = [
      {},
      { decided_at: at(1) },
      { created_at: at(5), decided_at: at(1) },
      { created_at: "x", decided_at: at(1) },
    ];
    for (const item of unknown) {
      assert.equal(lateness(item, { ...WINDOW, read_at_ms: T0 + 12_000 }), undefined);
      assert.equal(lateness(item, { ...WINDOW, read_at_ms: T0 + 12_001 }), "time_unknown");
    }
  });
});

describe("a reading of the platform", () => {
  test("grants what a person approved in time", () => {
    assert.deepEqual(verdict([decided("approved", "ana", 3)]), {
      kind: "decided",
      decision: { approval_id: "a", status: "approved", decided_by: "ana", decided_at: at(3), verified: true },
    });
  });

  test("honours a decider without a name", () => {
    assert.equal(verdict([decided("approved", "", 3)]).kind, "decided");
  });

  for (const by of ["countersign:timed_out", "countersign:orphaned", " Countersign:x", "auto-expired"]) {
    test(`never grants what ${JSON.stringify(by)} approved`, () => {
      assert.notEqual(verdict([decided("approved", by, 3)]).kind, "decided");
    });
  }

  test("calls the platform's own expiry expired, and a late one late", () => {
    assert.deepEqual(verdict([decided("denied", "auto-expired", 9)]), { kind: "expired", approval_id: "a" });
    assert.deepEqual(verdict([decided("denied", "auto-expired", 600)]), {
      kind: "late",
      approval_id: "a",
      cause: "after_deadline",
    });
  });

  test("tells our own withdrawal at the deadline from any other", () => {
    const timedOut = { kind: "withdrawn", approval_id: "a", timed_out: true };
    assert.deepEqual(verdict([decided("denied", "countersign:timed_out", 10)]), timedOut);
    assert.deepEqual(verdict([decided("denied", "countersign:cancelled", 4)]), { ...timedOut, timed_out: false });
  });

  test("calls a person's decision after the deadline late, and names it", () => {
    const late = verdict([decided("approved", "ana", 60)]);
    assert.equal(late.kind, "late");
    assert.equal(late.kind === "late" && late.decision?.decided_by, "ana");
  });

  test("takes the earliest of several decisions, and withdraws what is still open", () => {
    const items = [decided("denied", "bob", 5, "b"), decided("approved", "ana", 4), { ...pending, approval_id: "c" }];
    const judged = judge(reading(items), "a", WINDOW);
    assert.equal(judged.verdict.kind === "decided" && judged.verdict.decision.status, "approved");
    assert.deepEqual(judged.surplus, ["c"]);
  });

  test("takes the denial on a tie", () => {
    const tie = verdict([decided("approved", "ana", 5), decided("denied", "bob", 5, "b")]);
    assert.equal(tie.kind === "decided" && tie.decision.status, "denied");
  });

  test("takes the denial where a time is missing", () => {
    const untimed = verdict([decided("approved", "ana", 1), decided("denied", "bob", undefined, "b")]);
    assert.equal(untimed.kind === "decided" && untimed.decision.status, "denied");
  });

  test("prefers a decision in time to an earlier-listed late one", () => {
    const both = verdict([decided("denied", "bob", 100, "b"), decided("approved", "ana", 2)]);
    assert.equal(both.kind === "decided" && both.decision.status, "approved");
  });

  test("keeps waiting while ours is pending, and keeps it", () => {
    const judged = judge(reading([pending, { ...pending, approval_id: "twin" }]), "a", WINDOW);
    assert.equal(judged.verdict.kind, "pending");
    assert.deepEqual(judged.surplus, ["twin"]);
  });

  test("that does not name us is no decision, be the list long or short", () => {
    assert.equal(judge(reading([]), "a", WINDOW).verdict.kind, "absent");
    assert.equal(judge(reading([], true), "a", WINDOW).verdict.kind, "absent");
  });

  const hint = (status: "approved" | "denied", by = "ana"): Hint => ({
    approval_id: "a",
    status,
    decided_by: by,
    source: "socket",
    proof: "p",
  });

  test("believes a proven hint only where the list is too long to name us, and marks it", () => {
    const judged = judge(reading([], true, [hint("approved")]), "a", WINDOW).verdict;
    assert.equal(judged.kind === "decided" && judged.decision.verified, false);
    assert.equal(judge(reading([], false, [hint("approved")]), "a", WINDOW).verdict.kind, "absent");
    assert.equal(judge(reading([pending], true, [hint("approved")]), "a", WINDOW).verdict.kind, "pending");
  });

  test("takes the denial where proven hints differ, and none of ours or of the platform", () => {
    const differ = judge(reading([], true, [hint("approved"), hint("denied")]), "a", WINDOW).verdict;
    assert.equal(differ.kind === "decided" && differ.decision.status, "denied");
    const ours = [hint("approved", "countersign:x"), hint("approved", "auto-expired")];
    assert.equal(judge(reading([], true, ours), "a", WINDOW).verdict.kind, "absent");
  });

  const item = fc.record(
    {
      approval_id: fc.constantFrom("a", "b", "c"),
      status: fc.constantFrom("pending" as const, "approved" as const, "denied" as const),
      decided_by: fc.constantFrom("", "ana", "auto-expired", "countersign:timed_out", "countersign:duplicate"),
      created_at: fc.option(fc.integer({ min: -10, max: 30 }).map(at), { nil: "nonsense" }),
      decided_at: fc.option(fc.integer({ min: -10, max: 30 }).map(at), { nil: "" }),
    },
    { requiredKeys: ["approval_id", "status", "decided_by"] },
  );

  test("never grants without an approval by a person in time, whatever the platform says", () => {
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 6 }),
        fc.boolean(),
        fc.integer({ min: 0, max: 40 }),
        (items, capped, read) => {
          const window = { ...WINDOW, read_at_ms: T0 + read * 1_000 };
          const judged = judge(reading(items, capped), "a", window).verdict;
          if (judged.kind !== "decided" || judged.decision.status !== "approved") return;
          const granted = (items as ListItem[]).filter(
            (one) =>
              one.status === "approved" &&
              (one.decided_by === "" || one.decided_by === "ana") &&
              lateness(one, window) === undefined,
          );
          assert.ok(granted.some((one) => one.approval_id === judged.decision.approval_id));
        },
      ),
    );
  });

  test("means the same in whatever order the platform lists its items", () => {
    const facts = (items: readonly ListItem[]) => {
      const judged = judge(reading(items), "a", WINDOW).verdict;
      return judged.kind === "decided" ? `${judged.kind} ${judged.decision.status}` : judged.kind;
    };
    fc.assert(
      fc.property(fc.uniqueArray(item, { maxLength: 5, selector: (one) => one.approval_id }), (items) => {
        assert.equal(facts(items as ListItem[]), facts((items as ListItem[]).toReversed()));
      }),
    );
  });
});

describe("a hint", () => {
  test("of any other shape is ignored and counted", () => {
    const box = emptyHintBox();
    const shapes = [
      null,
      1,
      "approved",
      {},
      { approval_id: "a", status: "granted", source: "socket" },
      { approval_id: "", status: "approved", source: "socket" },
      { approval_id: "a", status: "approved", source: "mail" },
      { approval_id: "a", status: "approved", source: "socket", decided_by: 5 },
    ];
    for (const shape of shapes) hear(box, shape);
    assert.deepEqual(
      { heard: box.heard, ignored: box.ignored, fresh: box.fresh },
      { heard: 0, ignored: shapes.length, fresh: false },
    );
  });

  test("keeps nothing but the documented fields", () => {
    const parsed = parseHint({
      approval_id: "a",
      status: "denied",
      source: "manual",
      decided_by: null,
      approved: true,
      __proto__: { x: 1 },
    });
    assert.deepEqual(parsed, { approval_id: "a", status: "denied", source: "manual" });
  });

  test("of a flood takes bounded room, and one with a proof stays", () => {
    const box = emptyHintBox();
    hear(box, { approval_id: "a", status: "approved", source: "socket", proof: "real" });
    for (let i = 0; i < 1_000; i++) hear(box, { approval_id: `x${i}`, status: "approved", source: "manual" });
    assert.equal(box.kept.length, 20);
    assert.equal(box.heard, 1_001);
    assert.ok(box.kept.some((one) => one.proof === "real"));
  });

  test("never makes the parser throw", () => {
    fc.assert(
      fc.property(
        fc.anything(),
        (payload) => void [parseHint(payload), parseWake(payload), parseConnected(payload), parseLate(payload)],
      ),
    );
  });
});

describe("names on the wire", () => {
  test("stay what running workflows, bridges and platforms know", () => {
    assert.deepEqual(
      [
        names.REQUEST_APPROVAL,
        names.WATCH_DECISIONS,
        names.DECIDED_SIGNAL,
        names.WAKE_SIGNAL,
        names.CONNECTED_SIGNAL,
        names.LATE_SIGNAL,
        names.STATE_QUERY,
        names.CONTENT_MEMO,
        names.APPROVAL_MEMO,
      ],
      [
        "requestApproval",
        "watchDecisions",
        "decided",
        "wake",
        "connected",
        "late",
        "state",
        "content_sha256",
        "approval_id",
      ],
    );
    assert.equal(names.approvalWorkflowId("ws", "r"), "approval:ws:r");
    assert.equal(names.watchWorkflowId("ws"), "watch:ws");
    assert.equal(names.taskId("approval:ws:r", "run"), "approval:ws:r#run");
    assert.equal(names.defaultTaskQueue("ws"), "approvals-ws");
    assert.equal(names.bridgeTaskQueue("approvals-ws"), "approvals-ws-bridge");
    assert.equal(names.proofText("t", "a", "approved", "ana"), "t|a|approved|ana");
    assert.deepEqual(STATUSES, ["approved", "denied", "expired", "timed_out", "forbidden", "failed", "cancelled"]);
  });

  test("address only workflows of the own workspace, since a task id is text from outside", () => {
    assert.deepEqual(names.parseTaskId("approval:ws:r.1#0a-b", "ws"), {
      workflowId: "approval:ws:r.1",
      firstRunId: "0a-b",
    });
    for (const text of [
      undefined,
      "",
      "task-7",
      "approval:other:r#1",
      "approval:ws:r",
      "watch:ws#1",
      "approval:ws:r#1#2",
      "approval:ws:../r#1",
      "approval:ws:r#1\n",
    ]) {
      assert.equal(names.parseTaskId(text, "ws"), undefined, String(text));
    }
  });

  test("do not let an id change a path", () => {
    for (const id of ["a", "A.b_c-1", "x".repeat(128)]) assert.equal(names.isId(id), true);
    for (const id of ["", ".", "..", "../x", "a/b", "a?b", "a b", "ä", "a\n", "x".repeat(129), 5, null])
      assert.equal(names.isId(id), false);
  });
});

describe("a request", () => {
  const good = { action: "drop", reason: "", request_id: "r", workspace_id: "ws" };

  test("may be as large as the limits, counted as UTF-8 of its JSON text", () => {
    const action = "\u{1F600}".repeat((LIMITS.action - 2) / 4);
    assert.deepEqual(problemsOf({ ...good, action }), []);
    assert.deepEqual(
      problemsOf({ ...good, action: `${action}!!!` }).map((problem) => problem.field),
      ["action"],
    );
  });

  test("is told all that is wrong with it", () => {
    const bad = { action: " ", reason: 5, context: [], timeout_seconds: 0, request_id: "a b", workspace_id: "" };
    assert.deepEqual(
      problemsOf(bad).map((problem) => problem.field),
      ["action", "reason", "context", "timeout_seconds", "request_id", "workspace_id"],
    );
    for (const nothing of [undefined, null, "drop", []]) assert.equal(problemsOf(nothing).length, 1);
    for (const timeout_seconds of [-1, Number.NaN, Infinity, 1e12, "5"])
      assert.equal(problemsOf({ ...good, timeout_seconds }).length, 1);
  });

  test("is measured as Node encodes it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => assert.equal(utf8Length(text), Buffer.byteLength(text))),
    );
  });
});

test("shows on a terminal what would push a command out of view", () => {
  const padded = `ls${" ".repeat(300)}&& rm -rf ~\n\n\n\n\n\nnow\u200b`;
  assert.equal(marked(padded), "ls‹300 spaces›&& rm -rf ~\\u{a}‹5 blank lines›\\u{a}now\\u{200b}");
});

test("tells a model one stable line for each end", () => {
  const ids = { trace_id: "t", workflow_id: "w", approval_id: "a" };
  const lines: [ApprovalResult, string][] = [
    [{ ...ids, status: "approved", approved: true, decided_by: "ana", verified: true }, "Approved by ana."],
    [
      {
        ...ids,
        status: "denied",
        approved: false,
        decided_by: "bob",
        message: "Denied by human",
        comment: "not today",
      },
      "Denied by bob: not today",
    ],
    [
      { ...ids, status: "expired", approved: false, message: "Expired on the platform before anyone decided" },
      "Expired on the platform before anyone decided; not approved.",
    ],
    [
      { ...ids, status: "timed_out", approved: false, withdrawn: true, error: timedOutText(300) },
      "No decision within 300 s; not approved. Do not retry without new information.",
    ],
    [
      { ...ids, status: "timed_out", approved: false, withdrawn: true, error: timedOutText(0.5) },
      "No decision within 0.5 s; not approved. Do not retry without new information.",
    ],
    [{ ...ids, status: "forbidden", approved: false, error: "RBAC: no" }, "Not allowed: RBAC: no"],
    [
      { ...ids, status: "failed", approved: false, error: "Failed to create request: 500" },
      "Could not ask: Failed to create request: 500",
    ],
    [{ ...ids, status: "cancelled", approved: false, error: "Cancelled by the caller" }, "Cancelled; not approved."],
  ];
  for (const [result, line] of lines) assert.equal(modelLine(result), line);
});
