// Adds to package-lock.json the packages of other platforms that a registry without them left out of it.
// `npm ci` refuses a lock in which an optional dependency is missing, even one that this machine would never install.
// Run after `npm install`; it changes nothing where the lock is complete.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PLATFORM =
  /(?:^|-)(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-([a-z0-9]+)(?:-([a-z]+))?$/;

const file = fileURLToPath(new URL("../package-lock.json", import.meta.url));
const lock = JSON.parse(readFileSync(file, "utf8"));
const { "": project, ...packages } = lock.packages;
const added = [];

for (const [path, parent] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const places = [`${path}/node_modules/${name}`, `node_modules/${name}`];
    if (places.some((place) => packages[place] !== undefined)) continue;
    const [, os, cpu, abi = ""] = PLATFORM.exec(name.split("/").at(-1)) ?? [];
    if (os === undefined)
      throw new Error(`${name}: its name does not tell its platform; add it to package-lock.json by hand`);
    packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(parent.dev === true ? { dev: true } : {}),
      ...(os === "linux" && /^(gnu|musl)/.test(abi) ? { libc: [abi.startsWith("gnu") ? "glibc" : "musl"] } : {}),
      optional: true,
      os: [os],
    };
    added.push(name);
  }
}

if (added.length > 0) {
  const sorted = Object.entries(packages).toSorted(([a], [b]) => a.localeCompare(b, "en"));
  writeFileSync(
    file,
    `${JSON.stringify({ ...lock, packages: { "": project, ...Object.fromEntries(sorted) } }, null, 2)}\n`,
  );
}
console.log(added.length === 0 ? "package-lock.json is complete" : `added to package-lock.json: ${added.join(", ")}`);
