/** Makes the next version: a copy of what was built, with the workflows beside this file in place of today's. */
import { cp, copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DefaultLogger, bundleWorkflowCode } from "@temporalio/worker";

const BUILT = fileURLToPath(new URL("../../", import.meta.url));
const PROJECT = fileURLToPath(new URL("../../../", import.meta.url));

/** Into this folder. Returns the URL of its command. */
export async function buildNextVersion(folder: string): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(BUILT, "chaos", "next-version", "workflows.js"),
    payloadConverterPath: join(BUILT, "src", "workflows", "payload-converter.js"),
    workflowInterceptorModules: [join(BUILT, "src", "workflows", "interceptors.js")],
    logger: new DefaultLogger("ERROR"),
  });
  await mkdir(join(folder, "dist"));
  await cp(join(BUILT, "src"), join(folder, "dist", "src"), { recursive: true });
  await writeFile(join(folder, "dist", "workflow-bundle.js"), code);
  await copyFile(join(PROJECT, "package.json"), join(folder, "package.json"));
  await symlink(join(PROJECT, "node_modules"), join(folder, "node_modules"));
  return pathToFileURL(join(folder, "dist", "src", "cli", "main.js")).href;
}
