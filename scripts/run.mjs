// npm start, test, check, bench and chaos: prepares the clone, then runs what was asked for. Node built-ins only.
import { join } from "node:path";
import { check } from "./check.mjs";
import { runChild } from "./child.mjs";
import { SetupError, prepareBuild, prepareDependencies, say } from "./prepare.mjs";
import { testArguments } from "./test-files.mjs";
import { runWithTemporal } from "./with-temporal.mjs";

const COMMANDS = {
  start: (args) => runChild(["bin/countersign.js", "up", "--sample", ...args]),
  test: (args) => runWithTemporal(testArguments(args)),
  check: () => check(),
  chaos: (args) => runWithTemporal(["dist/chaos/index.js", ...args]),
  // `npm run bench -- inbox` measures the page of the inbox.
  bench: ([part = "index", ...args]) => runWithTemporal([join("dist", "bench", `${part}.js`), ...args]),
  "record-histories": () => runWithTemporal(["dist/test/support/record-histories.js"]),
};

const [name = "", ...args] = process.argv.slice(2);
try {
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new SetupError(`usage: node scripts/run.mjs ${Object.keys(COMMANDS).join("|")} [arguments]`);
  }
  await prepareDependencies();
  // The check reports a build that fails among its other findings.
  if (name !== "check") await prepareBuild();
  process.exitCode = await COMMANDS[name](args);
} catch (error) {
  say(error instanceof SetupError || error?.code === "ERR_DEV_SERVER" ? `countersign: ${error.message}` : error.stack);
  process.exitCode = 3;
}
