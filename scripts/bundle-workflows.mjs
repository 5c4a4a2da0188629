// dist/src/workflows -> dist/workflow-bundle.js, so that a worker starts without bundling. The source map stays inline: coverage and stack traces need it.
import { renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DefaultLogger, bundleWorkflowCode } from "@temporalio/worker";

const entry = fileURLToPath(new URL("../dist/src/workflows/index.js", import.meta.url));
const payloadConverterPath = fileURLToPath(new URL("../dist/src/workflows/payload-converter.js", import.meta.url));
const interceptorsPath = fileURLToPath(new URL("../dist/src/workflows/interceptors.js", import.meta.url));
const target = fileURLToPath(new URL("../dist/workflow-bundle.js", import.meta.url));

const { code } = await bundleWorkflowCode({
  workflowsPath: entry,
  payloadConverterPath,
  workflowInterceptorModules: [interceptorsPath],
  logger: new DefaultLogger("ERROR"),
});
// A worker that starts just now must not read half of it.
writeFileSync(`${target}.${process.pid}`, code);
renameSync(`${target}.${process.pid}`, target);
