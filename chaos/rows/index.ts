/** All rows, in their order. */
import type { Row } from "../row.ts";
import { WORKER_KILLED } from "./worker-killed.ts";

export const ROWS: readonly Row[] = [...WORKER_KILLED];
