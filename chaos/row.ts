/** A row of the fault matrix, or one alternative of it: a promise, and what breaks it if it can be broken. */
import type { Field } from "./field.ts";

/** What was measured: names with their unit, such as `sweep_ms`. */
export interface Figures {
  readonly [name: string]: number | string;
}

export interface Row {
  /** Its number in docs/reliability.md. */
  readonly row: number;
  readonly name: string;
  /** Milliseconds after which it fails by its name. Default 60,000. */
  readonly limitMs?: number;
  /** Runs with nothing beside it, because it measures, or takes a whole core. */
  readonly alone?: boolean;
  /** Only with `--long`. */
  readonly longOnly?: boolean;
  run(field: Field): Promise<Figures | void>;
}
