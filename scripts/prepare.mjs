// The set-up of a clone: Node's version, the dependencies, the build. Node built-ins only; a re-run with nothing to do takes milliseconds.
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withPrepareLock } from "./prepare-lock.mjs";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const workFolder = join(root, "build-setup");
const stampFile = join(root, "dist", "build-stamp.json");
const bundleFile = join(root, "dist", "workflow-bundle.js");
const SOURCE_FOLDERS = ["src", "test", "bench", "chaos", "examples"];

/** A failure of the set-up; `message` is all that a person needs. */
export class SetupError extends Error {}

export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Node and the dependencies only. Throws SetupError. */
export async function prepareDependencies() {
  checkNode();
  if (dependenciesAreFresh()) return;
  await alone(async () => {
    if (!dependenciesAreFresh()) await install();
  });
}

/** Builds where a source is newer than the build. Throws SetupError with the compiler's output. */
export async function prepareBuild() {
  if (outdated(sources()) !== undefined) await alone(build);
}

async function alone(work) {
  mkdirSync(workFolder, { recursive: true });
  await withPrepareLock(join(workFolder, "lock"), say, work);
}

function checkNode() {
  const wanted = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).engines.node.replace(">=", "");
  const [major, minor] = wanted.split(".").map(Number);
  const [ownMajor, ownMinor] = process.versions.node.split(".").map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return;
  throw new SetupError(`Countersign needs Node ${wanted} or newer; this is ${process.versions.node}`);
}

function dependenciesAreFresh() {
  const installed = statSync(join(root, "node_modules", ".package-lock.json"), { throwIfNoEntry: false });
  return installed !== undefined && installed.mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
}

async function install() {
  say("installing dependencies (npm ci), once");
  const logFile = join(workFolder, "npm-ci.log");
  const log = openSync(logFile, "w");
  const started = Date.now();
  const ticker = setInterval(() => say(`installing dependencies: ${seconds(started)} s so far`), 15_000);
  // NODE_ENV=production or npm's own omit setting would leave the compiler out.
  const code = await new Promise((resolve) => {
    const child = spawn("npm", ["ci", "--include=dev", "--no-audit", "--no-fund"], {
      cwd: root,
      stdio: ["ignore", log, log],
      shell: process.platform === "win32",
    });
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (exitCode, signal) => resolve(exitCode ?? signal));
  });
  clearInterval(ticker);
  closeSync(log);
  if (code === 0) return say(`dependencies installed in ${seconds(started)} s`);
  const tail = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-30).join("\n");
  throw new SetupError(`npm ci failed (${code}); the end of ${logFile}:\n${tail}`);
}

function build() {
  const files = sources();
  const reason = outdated(files);
  if (reason === undefined) return;
  const started = Date.now();
  say(`building (${reason})`);
  removeOrphans(files);
  rmSync(stampFile, { force: true });
  run("the compiler", [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", root]);
  run("the build of the inbox's page", [join(root, "scripts", "build-page.mjs")]);
  const newestSource = Math.max(0, ...files.filter(({ name }) => name.startsWith("src")).map(({ mtimeMs }) => mtimeMs));
  const bundled = statSync(bundleFile, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const bundler = join(root, "scripts", "bundle-workflows.mjs");
  if (bundled < Math.max(newestSource, statSync(bundler).mtimeMs, statSync(join(root, "package-lock.json")).mtimeMs)) {
    run("the workflow bundler", [bundler]);
  }
  writeFileSync(stampFile, JSON.stringify({ builtAtMs: started, files: files.map(({ name }) => name) }));
  say(`built in ${seconds(started)} s`);
}

function run(what, args) {
  const { status, error, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  if (status === 0) return;
  throw new SetupError(
    `${what} failed (${error?.message ?? `exit code ${status}`}):\n${stdout ?? ""}${stderr ?? ""}`.trimEnd(),
  );
}

/** Why a build is needed; `undefined` where none is. */
function outdated(files) {
  if (!existsSync(bundleFile)) return "not built yet";
  let stamp;
  try {
    stamp = JSON.parse(readFileSync(stampFile, "utf8"));
  } catch {
    return "not built yet";
  }
  const newer = [...files, ...settings()].find(({ mtimeMs }) => mtimeMs > stamp.builtAtMs);
  if (newer !== undefined) return `${newer.name} is newer`;
  const names = files.map(({ name }) => name);
  return names.length === stamp.files.length && names.every((name, index) => name === stamp.files[index])
    ? undefined
    : "files were added or removed";
}

function settings() {
  return [
    "tsconfig.json",
    "package.json",
    "package-lock.json",
    "scripts/bundle-workflows.mjs",
    "scripts/build-page.mjs",
  ].map((name) => ({
    name,
    mtimeMs: statSync(join(root, name)).mtimeMs,
  }));
}

function sources() {
  return SOURCE_FOLDERS.flatMap((folder) => walk(folder))
    .filter((name) => /\.(ts|mts|html|css|svg)$/.test(name) || name.endsWith("tsconfig.json"))
    .toSorted()
    .map((name) => ({ name, mtimeMs: statSync(join(root, name)).mtimeMs }));
}

/** Output of sources that are gone: a removed test would go on running. */
function removeOrphans(files) {
  const bases = new Set(files.map(({ name }) => name.replace(/\.ts$/, "")));
  for (const name of SOURCE_FOLDERS.flatMap((folder) => walk(join("dist", folder)))) {
    const base = name.slice("dist/".length).replace(/(\.d\.ts|\.js\.map|\.js)$/, "");
    if (!bases.has(base)) rmSync(join(root, name), { force: true });
  }
}

/** Paths of all files below a folder of the project, relative to its root. */
function walk(folder) {
  let entries;
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = `${folder.replaceAll("\\", "/")}/${entry.name}`;
    return entry.isDirectory() ? walk(path) : [path];
  });
}

function seconds(sinceMs) {
  return ((Date.now() - sinceMs) / 1000).toFixed(1);
}
