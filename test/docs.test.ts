/** The documents, held against what they tell of: a promise in a text is kept like one in code. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { loadConfig } from "../src/config.ts";
import { STATUSES } from "../src/domain/outcome.ts";
import { callsIn, unknownIn } from "./support/documented-calls.ts";
import { startStack } from "./support/stack.ts";
import type { Stack } from "./support/stack.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (name: string): string => readFileSync(join(root, name), "utf8");

function filesIn(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name).replaceAll("\\", "/"))
    .filter((name) => ending.test(name));
}

const documents = [...readdirSync(root).filter((name) => name.endsWith(".md")), ...filesIn("docs", /\.md$/)].map(
  (name) => ({ name, text: read(name) }),
);
const FENCE = /^```(\w*)\n([^]*?)^```$/gm;

function document(name: string): string {
  const found = documents.find((one) => one.name === name);
  assert.ok(found, `${name} is there`);
  return found.text;
}

/** The fenced blocks of a language, without their fences. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(FENCE)].filter(([, name]) => name === language).map(([, , body]) => body ?? "");
}

/** The anchors of the headings, as GitHub makes them. */
function anchors(text: string): Set<string> {
  const headings = text.replaceAll(FENCE, "").matchAll(/^#+ +(.+)$/gm);
  return new Set(
    [...headings].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

describe("the README", () => {
  it("shows the agent of examples/request.ts, word for word", () => {
    const source = read("examples/request.ts");
    const shown = source.slice(source.indexOf("\nimport ") + 1).replace('"../src/index.ts"', '"countersign"');
    assert.ok(shown.includes("requestApproval("), "the example was found");
    assert.deepEqual(blocks(document("README.md"), "ts"), [shown]);
  });

  it("names every step and every end of an approval in its picture", () => {
    const [picture = ""] = blocks(document("README.md"), "mermaid");
    const [, steps = ""] = /readonly step: ([^;]+);/.exec(read("src/domain/state.ts")) ?? [];
    const names = [...[...steps.matchAll(/"(\w+)"/g)].map(([, step]) => step as string), ...STATUSES];
    assert.ok(names.length >= 14, "steps and ends were found");
    const missing = names.filter((name) => !new RegExp(String.raw`\b${name}\b`).test(picture));
    assert.deepEqual(missing, []);
  });
});

describe("ARCHITECTURE.md", () => {
  it("gives every runtime dependency its reason, and names no other", () => {
    const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Readonly<Record<string, string>> };
    const [, table = ""] = /^\| package \| for \|\n.*\n((?:\|.*\n)+)/m.exec(document("ARCHITECTURE.md")) ?? [];
    const named = table.split("\n").flatMap((row) => row.split("|")[1]?.match(/(?<=`)[@\w][^`]*(?=`)/g) ?? []);
    const names = named.filter((name) => name !== ", ");
    assert.deepEqual(names.toSorted(), Object.keys(dependencies).toSorted());
  });

  it("has a place in its map for all that lies in src", () => {
    const [map = ""] = blocks(document("ARCHITECTURE.md"), "").filter((block) => block.startsWith("src/"));
    const entries = readdirSync(join(root, "src"), { withFileTypes: true });
    const missing = entries
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
      .filter((name) => !map.includes(`\n  ${name} `));
    assert.deepEqual(missing, []);
  });

  it("points at files that exist", () => {
    const paths = [...codeOf(document("ARCHITECTURE.md")).matchAll(/`((?:src|test|scripts)\/[\w./-]+)`/g)];
    assert.ok(paths.length > 10, "paths were found");
    assert.deepEqual(
      paths.map(([, path = ""]) => path).filter((path) => !existsSync(join(root, path))),
      [],
    );
  });
});

describe("the documents", () => {
  it("link to files and headings that exist", () => {
    let links = 0;
    const broken = documents.flatMap(({ name, text }) =>
      [...text.replaceAll(FENCE, "").matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target = ""]) => target)
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => {
          links++;
          const [path = "", anchor] = target.split("#");
          const file = path === "" ? name : join(dirname(name), path);
          if (!existsSync(join(root, file))) return true;
          return anchor !== undefined && !anchors(read(file)).has(anchor);
        })
        .map((target) => `${name}: ${target}`),
    );
    assert.ok(links > 20, "links were found");
    assert.deepEqual(broken, []);
  });

  it("name only npm scripts that package.json has", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Readonly<Record<string, string>> };
    const npms = new Set(["ci", "install", "pack", "run"]);
    const commands = documents.flatMap(({ text }) => [...codeOf(text).matchAll(/\bnpm (?:run )?([a-z][\w-]*)/g)]);
    assert.ok(commands.length > 10, "commands were found");
    const unknown = commands
      .filter(([command, name = ""]) => !(name in scripts) && (command.startsWith("npm run ") || !npms.has(name)))
      .map(([command]) => command);
    assert.deepEqual(unknown, []);
  });

  it("give the commands only options that their help tells", async () => {
    const calls = documents.flatMap(({ name, text }) =>
      blocks(text, "sh").flatMap((block) => callsIn(block).map((words) => ({ name, words }))),
    );
    assert.ok(calls.length > 10, "calls were found");
    const unknown: string[] = [];
    for (const { name, words } of calls) {
      const problem = await unknownIn(words);
      if (problem !== undefined) unknown.push(`${name}: countersign ${words.join(" ")}: ${problem}`);
    }
    assert.deepEqual(unknown, []);
  });

  it("tell all settings, and none that nothing reads", () => {
    const asked = new Set<string>();
    const env = new Proxy<NodeJS.ProcessEnv>({}, { get: (_, name) => void asked.add(String(name)) });
    loadConfig(env, { database: true, machine: { exists: () => false, read: () => "" } });
    const configuration = document("docs/configuration.md");
    const told = settingsIn(configuration);
    assert.ok(told.length > 15 && asked.size > 15, "settings were found");
    // Temporal's own are read by its SDK.
    const ours = (name: string): boolean => !name.startsWith("TEMPORAL_");
    assert.deepEqual(
      [...told, ...settingsIn(document("README.md"))].filter((name) => ours(name) && !asked.has(name)),
      [],
    );
    const words = new Set(configuration.match(/\b[A-Z][A-Z_]+\b/g));
    assert.deepEqual(
      [...asked].filter((name) => !words.has(name)),
      [],
    );
  });
});

it("keeps every text of the repository free of the places where it was written", () => {
  const texts = [
    ...documents.map(({ name }) => name),
    "package.json",
    "package-lock.json",
    ".npmrc",
    ".ci/run",
    ...["src", "test", "bench", "chaos", "examples", "scripts", "bin"].flatMap((folder) =>
      filesIn(folder, /\.(?:ts|mjs|js|json|md|css|html)$/),
    ),
  ];
  assert.ok(texts.length > 100, "files were found");
  // The lock file would name the registry in "resolved"; agent is the user of made-up examples.
  const places =
    /\.\.\/shared\b|(?<![\w}])\/(?:work|root)\/|(?<!\w)\/home\/(?!agent\/)|"resolved": "|npm_config_registry|^registry=/m;
  assert.match("see ../shared/design", places);
  assert.match("in /root/project/x", places);
  assert.doesNotMatch("GET /workspaces/ws-1/approvals, src/workflows/x", places);
  assert.deepEqual(
    texts.filter((name) => name !== "test/docs.test.ts" && places.test(read(name))),
    [],
  );
});

describe("the examples", () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack();
  });
  after(() => stack.stop());

  /** What an example prints while its one approval, the one that fits, is decided. */
  const outcome = async (
    example: string,
    action: string,
    decision: "approved" | "denied",
    args: readonly string[] = [],
  ): Promise<string> => {
    const file = fileURLToPath(new URL(`../examples/${example}.js`, import.meta.url));
    const running = promisify(execFile)(process.execPath, [file, ...args], {
      env: stack.env,
      timeout: 60_000,
      killSignal: "SIGKILL",
    });
    const decided = stack.platform
      .nextApproval(stack.workspaceId, (approval) => approval.action === action)
      .then(({ id }) => stack.platform.decide(id, decision, "ann"));
    const [{ stdout }] = await Promise.all([running, decided]);
    return stdout;
  };
  const named = (): string[] => [stack.workspaceId, stack.config.temporal.address];

  it("request.ts acts when a person approves", async () => {
    const said = await outcome("request", "Delete 312 customer records", "approved");
    assert.match(said, /^Approved by ann\.\nDeleting, as ann allowed under trace [\da-f-]{36}\.\n$/);
  });

  it("agent-workflow.ts does nothing when a person denies", async () => {
    const said = await outcome("run-agent-workflow", "Delete 312 customer records", "denied", named());
    assert.equal(said, "Deleted nothing: denied.\n");
  });

  it("plain-client.ts gets the whole answer with nothing of ours", async () => {
    const sources = read("examples/plain-client.ts");
    assert.deepEqual(
      [...sources.matchAll(/from "([^"]+)"/g)].map(([, from]) => from),
      ["node:crypto", "@temporalio/client"],
    );
    const said = await outcome("plain-client", "Rotate the signing keys", "approved", named());
    const { status, approved, decided_by } = JSON.parse(said) as Record<string, unknown>;
    assert.deepEqual({ status, approved, decided_by }, { status: "approved", approved: true, decided_by: "ann" });
  });
});

/** Fenced blocks and inline code: where a document means a command. */
function codeOf(text: string): string {
  return [...text.matchAll(FENCE), ...text.matchAll(/`([^`\n]+)`/g)].map(([whole]) => whole).join("\n");
}

/** The names in the first column of the tables whose first column is `name`. */
function settingsIn(text: string): string[] {
  const tables = text.matchAll(/^\| name \|.*\n\|[ |-]+\n((?:\|.*\n)+)/gm);
  return [...tables].flatMap(([, rows = ""]) =>
    rows
      .trimEnd()
      .split("\n")
      .flatMap((row) => row.split("|")[1]?.match(/\b[A-Z][A-Z_]+\b/g) ?? []),
  );
}
