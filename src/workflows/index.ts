/** The entry of the workflow bundle: the exported names are the workflow types. */
export { requestApproval } from "./request-approval.ts";
export { watchDecisions } from "./watch-decisions.ts";
