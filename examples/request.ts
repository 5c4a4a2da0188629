/**
 * An agent that asks before it acts: node dist/examples/request.js
 * In a project of your own, import from "countersign".
 */
import { modelLine, requestApproval } from "../src/index.ts";

const result = await requestApproval("Delete 312 customer records", "They asked to be forgotten", {
  // The same id after a crash picks up the same question and its answer.
  requestId: "forget-2024-06",
  context: { records: 312, table: "customers" },
});

console.log(modelLine(result));
if (result.approved) {
  console.log(`Deleting, as ${result.decided_by} allowed under trace ${result.trace_id}.`);
}
