#!/usr/bin/env node
import { existsSync } from "node:fs";

const entry = new URL("../dist/src/cli/main.js", import.meta.url);
if (existsSync(entry)) {
  const { main } = await import(entry.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  console.error("countersign: not built yet; run `npm run build` first, or `npm start`, which does all its own set-up");
  process.exitCode = 3;
}
