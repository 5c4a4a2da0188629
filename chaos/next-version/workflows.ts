/**
 * The workflows of a version that does not exist: today's, with one step more before a request and one after it. The entry of a bundle
 * of its own; the exported names are the workflow types. Guarded as CONTRIBUTING.md, "Workflow code", asks for.
 */
import { patched, sleep } from "@temporalio/workflow";
import type { ApprovalRequest } from "../../src/domain/request.ts";
import type { ApprovalResult } from "../../src/domain/outcome.ts";
import type { Carried } from "../../src/workflows/lifecycle.ts";
import { requestApproval as today } from "../../src/workflows/request-approval.ts";
import { AFTER, BEFORE } from "./step-names.ts";

export { watchDecisions } from "../../src/workflows/watch-decisions.ts";

export async function requestApproval(request: ApprovalRequest, carried?: Carried): Promise<ApprovalResult> {
  if (patched(BEFORE)) await sleep("1 ms");
  const result = await today(request, carried);
  if (patched(AFTER)) await sleep("1 ms");
  return result;
}
