/** The rules between folders that neither the compiler nor the linter can state. They read the sources as text. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { join, posix } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

interface Import {
  /** Path from the project's root, with forward slashes. */
  readonly from: string;
  /** A path from the project's root where relative, else the package or built-in. */
  readonly to: string;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Imports point from a higher rank to a lower one, or stay in the rank without making a circle of folders. */
const RANKS: Readonly<Record<string, number>> = {
  domain: 0,
  workflows: 1,
  "config.ts": 1,
  config: 1,
  codec: 1,
  "log.ts": 1,
  "health.ts": 1,
  activities: 2,
  audit: 2,
  delivery: 2,
  platform: 2,
  "dev-server": 2,
  bridge: 3,
  client: 3,
  inbox: 3,
  process: 3,
  "worker.ts": 3,
  worker: 3,
  "index.ts": 4,
  cli: 4,
};

const IMPORT =
  /^\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;

function importsIn(from: string, text: string): readonly Import[] {
  return [...text.matchAll(IMPORT)].map((match) => {
    const to = match[1] ?? match[2] ?? match[3] ?? "";
    return { from, to: to.startsWith(".") ? posix.normalize(posix.join(posix.dirname(from), to)) : to };
  });
}

function sources(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((name) => name.endsWith(".ts"));
}

function read(name: string): string {
  return readFileSync(join(root, name), "utf8");
}

function importsOf(folder: string): readonly Import[] {
  return sources(folder).flatMap((name) => importsIn(name, read(name)));
}

/** `src/client/run.ts` is in `client`, `src/worker.ts` in `worker.ts`; `undefined` outside src. */
function partOf(path: string): string | undefined {
  return /^src\/([^/]+)/.exec(path)?.[1];
}

function wrongWay(imports: readonly Import[]): readonly string[] {
  return imports
    .filter(({ from, to }) => {
      const [source, target] = [partOf(from), partOf(to)];
      if (source === undefined || target === undefined || source === target) return false;
      return !((RANKS[source] ?? -1) >= (RANKS[target] ?? Infinity));
    })
    .map(shown);
}

/** The folders of one circle of imports, `undefined` where there is none. */
function circle(imports: readonly Import[]): readonly string[] | undefined {
  const targets = new Map<string, Set<string>>();
  for (const { from, to } of imports) {
    const [source, target] = [partOf(from), partOf(to)];
    if (source === undefined || target === undefined || source === target) continue;
    targets.set(source, (targets.get(source) ?? new Set()).add(target));
  }
  const done = new Set<string>();
  const visit = (part: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(part)) return [...path.slice(path.indexOf(part)), part];
    if (done.has(part)) return undefined;
    for (const target of targets.get(part) ?? []) {
      const found = visit(target, [...path, part]);
      if (found !== undefined) return found;
    }
    done.add(part);
    return undefined;
  };
  for (const part of targets.keys()) {
    const found = visit(part, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

function shown({ from, to }: Import): string {
  return `${from} imports ${to}`;
}

const readsEnvironment = /\bprocess\s*\.\s*env\b|\benv\b[^;]*from\s*["'](?:node:)?process["']/;

describe("the rules themselves", () => {
  it("see every form of import", () => {
    const text = `import { a } from "./a.ts";
import type { B } from '../b/b.ts';
import {
  c,
} from "node:fs";
import "./d.ts";
export { e } from "pkg";
const f = await import("./f.ts");`;
    assert.deepEqual(
      importsIn("src/x/file.ts", text).map(({ to }) => to),
      ["src/x/a.ts", "src/b/b.ts", "node:fs", "src/x/d.ts", "pkg", "src/x/f.ts"],
    );
  });

  it("name an import that points the wrong way, and one of a folder that has no place yet", () => {
    const up = { from: "src/platform/http.ts", to: "src/cli/main.ts" };
    const down = { from: "src/cli/main.ts", to: "src/platform/http.ts" };
    const unknown = { from: "src/cli/main.ts", to: "src/helpers/any.ts" };
    assert.deepEqual(wrongWay([up, down, unknown]), [shown(up), shown(unknown)]);
  });

  it("name a circle of folders of one rank", () => {
    const there = { from: "src/activities/a.ts", to: "src/delivery/b.ts" };
    const back = { from: "src/delivery/c.ts", to: "src/activities/d.ts" };
    assert.equal(circle([there]), undefined);
    assert.deepEqual(circle([there, back]), ["activities", "delivery", "activities"]);
  });
});

describe("the sources", () => {
  const all = importsOf("src");

  it("import one way: domain, then workflows, activities, platform and audit, then the processes, then the CLI", () => {
    assert.ok(all.length > 50, "the imports were found");
    assert.deepEqual(wrongWay(all), []);
    assert.equal(circle(all), undefined);
  });

  it("keep workflow code to the domain and the workflow SDK", () => {
    const allowed = /^(src\/(workflows|domain)\/|@temporalio\/workflow$)/;
    const used = all.filter(({ from }) => from.startsWith("src/workflows/"));
    assert.deepEqual(used.filter(({ to }) => !allowed.test(to)).map(shown), []);
  });

  it("keep the domain pure: no package, no Node built-in", () => {
    const used = all.filter(({ from }) => from.startsWith("src/domain/"));
    assert.deepEqual(used.filter(({ to }) => !to.startsWith("src/domain/")).map(shown), []);
  });

  it("let a workflow use the child options: they reach nothing of Node", () => {
    const used = all.filter(({ from }) => from === "src/client/child-options.ts");
    assert.deepEqual(
      used.filter(({ to }) => isBuiltin(to) || /^src\/(?!domain\/|workflows\/)/.test(to)).map(shown),
      [],
    );
  });

  it("start a dev server from the CLI only", () => {
    const used = all.filter(({ to }) => partOf(to) === "dev-server");
    assert.deepEqual(used.filter(({ from }) => !["dev-server", "cli"].includes(partOf(from) ?? "")).map(shown), []);
  });

  it("read the process's environment in config.ts only", () => {
    assert.match("const x = process.env.HOME", readsEnvironment);
    const readers = sources("src").filter((name) =>
      readsEnvironment.test(read(name).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "")),
    );
    assert.deepEqual(readers, ["src/config.ts"]);
  });
});

it("shares no code between the test platform and the sources", () => {
  const used = importsOf("test/support").filter(({ from }) => from.startsWith("test/support/platform"));
  assert.ok(used.length > 0, "the test platform was found");
  assert.deepEqual(used.filter(({ to }) => to.startsWith("src/")).map(shown), []);
});

it("has one copy of protobufjs 8 for the Temporal packages, without which histories cannot be replayed from JSON", () => {
  const require = createRequire(import.meta.url);
  const copies = ["common", "proto", "worker"].map((name) =>
    createRequire(require.resolve(`@temporalio/${name}/package.json`)).resolve("protobufjs/package.json"),
  );
  assert.equal(new Set(copies).size, 1, copies.join(", "));
  assert.match((require(copies[0] as string) as { version: string }).version, /^8\./);
});

it("names every platform's packages in package-lock.json, without which `npm ci` refuses the lock", () => {
  interface Entry {
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  }
  const { packages } = JSON.parse(read("package-lock.json")) as { packages: Readonly<Record<string, Entry>> };
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {}).filter(
      (name) => !(`${path}/node_modules/${name}` in packages) && !(`node_modules/${name}` in packages),
    ),
  );
  assert.deepEqual(missing, [], "run node scripts/complete-lock.mjs");
});
