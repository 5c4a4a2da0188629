import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import { STATUSES } from "../src/domain/outcome.ts";

const BUILT = fileURLToPath(new URL("../", import.meta.url));
const HISTORIES = fileURLToPath(new URL("../../test/histories/", import.meta.url));
const QUIET = new DefaultLogger("ERROR", () => {});

interface Recorded {
  readonly name: string;
  readonly workflowId: string;
  readonly history: unknown;
}

const recorded: readonly Recorded[] = readdirSync(HISTORIES)
  .filter((file) => file.endsWith(".json"))
  .map((file) => {
    const history = JSON.parse(readFileSync(join(HISTORIES, file), "utf8")) as {
      events: { workflowExecutionStartedEventAttributes: { workflowId: string } }[];
    };
    const workflowId = history.events[0]?.workflowExecutionStartedEventAttributes.workflowId ?? "";
    return { name: file.replace(/\.json$/, ""), workflowId, history };
  });

/** The error of each replay, by name; `undefined` where the code still does what it did. */
async function replay(
  workflowBundle: { codePath: string } | { code: string },
): Promise<Map<string, Error | undefined>> {
  const results = new Map<string, Error | undefined>();
  for (const { name, workflowId, history } of recorded) {
    // One at a time, with its own id: the workflow knows its task id by it.
    const replays = Worker.runReplayHistories({ workflowBundle }, [{ workflowId, history }]);
    for await (const { error } of replays) results.set(name, error);
  }
  return results;
}

before(() => {
  Runtime.install({ logger: QUIET, telemetryOptions: { logging: { filter: "OFF", forward: {} } } });
});

describe("the recorded histories", () => {
  test("hold every end of an approval, and a watch that was lost, swept, came back and continued as new", () => {
    const names = recorded.map(({ name }) => name);
    for (const status of STATUSES)
      assert.ok(
        names.some((name) => name.startsWith(status)),
        status,
      );
    assert.ok(names.some((name) => name.startsWith("watch-")));
    for (const { name, workflowId } of recorded) assert.match(workflowId, /^(approval|watch):/, name);
  });

  test("replay on today's workflow code", async () => {
    const results = await replay({ codePath: join(BUILT, "workflow-bundle.js") });
    assert.equal(results.size, recorded.length);
    for (const [name, error] of results) assert.equal(error, undefined, `${name}: ${error?.message}`);
  });
});

describe("workflow code with two activities swapped", () => {
  // Inside the build, so that the bundler finds the packages.
  const folder = mkdtempSync(join(BUILT, "swapped-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("is caught as a determinism violation", async () => {
    cpSync(join(BUILT, "src"), join(folder, "src"), { recursive: true });
    const file = join(folder, "src/workflows/await-ending.js");
    const text = readFileSync(file, "utf8");
    const swapped = text.replace(/step\.(confirmDecision|withdrawApproval)\(/g, (_all, name: string) =>
      name === "confirmDecision" ? "step.withdrawApproval(" : "step.confirmDecision(",
    );
    assert.notEqual(swapped, text);
    writeFileSync(file, swapped);
    const workflowsPath = join(folder, "src/workflows/index.js");
    const results = await replay(await bundleWorkflowCode({ workflowsPath, logger: QUIET }));
    const error = results.get("timed_out-withdrawn");
    assert.equal(error?.name, "DeterminismViolationError");
    assert.equal(results.get("forbidden"), undefined);
  });
});
