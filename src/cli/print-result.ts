/** An approval's result on stdout, for people or for scripts. */
import { modelLine } from "../domain/outcome.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import { visible, visibleJson } from "../domain/text.ts";
import { coloured } from "./colour.ts";
import type { Io } from "./io.ts";

/** One JSON object on one line with `json`, else the sentence that a model is shown. */
export function printResult(io: Io, result: ApprovalResult, json: boolean): void {
  if (json) return printJson(io, result);
  const colour = result.approved ? "green" : result.status === "failed" ? "red" : "yellow";
  io.out(coloured(visible(modelLine(result)), colour, io.colour.out));
}

export function printJson(io: Io, value: unknown): void {
  io.out(visibleJson(JSON.stringify(value)));
}
