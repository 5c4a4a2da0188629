import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { SetupError, root } from "./prepare.mjs";

const TEST_TIMEOUT_MS = 300_000;

/**
 * Node's arguments for a test run. Words select files by a part of their name; what starts with a dash goes to `node --test`.
 * The list comes from the sources, because Node 20's `--test` takes no pattern.
 */
export function testArguments(args) {
  const words = args.filter((arg) => !arg.startsWith("-"));
  const flags = args.filter((arg) => arg.startsWith("-"));
  const all = readdirSync(join(root, "test")).filter((name) => name.endsWith(".test.ts"));
  const chosen = all.filter((name) => words.length === 0 || words.some((word) => name.includes(word)));
  if (chosen.length === 0)
    throw new SetupError(`no test file has ${words.join(" or ")} in its name; there are:\n  ${all.join("\n  ")}`);
  // Most tests wait for a server rather than for the processor.
  const concurrency = Math.min(4, availableParallelism() + 1);
  return [
    "--enable-source-maps",
    "--test",
    `--test-concurrency=${concurrency}`,
    "--test-reporter=spec",
    // A test that waits for ever is named and fails, instead of holding up the whole run.
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    ...flags,
    ...chosen.toSorted().map((name) => join("dist", "test", name.replace(/\.ts$/, ".js"))),
  ];
}
