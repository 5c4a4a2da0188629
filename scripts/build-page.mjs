// Compiles the inbox's page, which runs in a browser and so has compiler settings of its own, and puts its other files beside it.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = resolve(root, process.argv[2] ?? "dist");
const page = join("src", "inbox", "page");

const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
const { status, error } = spawnSync(process.execPath, [compiler, "-p", join(root, page), "--outDir", out], {
  stdio: "inherit",
});
if (error !== undefined) throw error;
if (status !== 0) process.exit(status ?? 1);
mkdirSync(join(out, page), { recursive: true });
for (const name of readdirSync(join(root, page))) {
  if (/\.(html|css|svg)$/.test(name)) copyFileSync(join(root, page, name), join(out, page, name));
}
