/** An approval's result on stdout, for people or for scripts. */
import { modelLine } from "../domain/outcome.ts";
import type { ApprovalResult } from "../domain/outcome.ts";
import type { Json } from "../domain/request.ts";
import { visibleJson } from "../domain/text.ts";
import { coloured } from "./colour.ts";
import type { Io } from "./io.ts";
import { shown, shownJson } from "./shown.ts";

/** One JSON object on one line with `json`, else the sentence that a model is shown. */
export function printResult(io: Io, result: ApprovalResult, json: boolean): void {
  if (json) return printJson(io, result);
  const colour = result.approved ? "green" : result.status === "failed" ? "red" : "yellow";
  io.out(coloured(shown(io, modelLine(result)), colour, io.colour.out));
}

/** One JSON value on one line, redacted. */
export function printJson(io: Io, value: unknown): void {
  printExactJson(io, shownJson(io, value));
}

/** The same for a value that was redacted already, or must not be. */
export function printExactJson(io: Io, value: Json): void {
  io.out(visibleJson(JSON.stringify(value)));
}
