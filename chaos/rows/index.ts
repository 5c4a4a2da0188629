/** All rows, in their order. */
import type { Row } from "../row.ts";
import { AUDIT } from "./audit.ts";
import { BRIDGE_KILLED } from "./bridge-killed.ts";
import { CROWDS } from "./crowds.ts";
import { FOREIGN_WORKSPACE } from "./foreign-workspace.ts";
import { FORGED } from "./forged.ts";
import { FRAMES } from "./frames.ts";
import { INBOX } from "./inbox.ts";
import { NEMESIS } from "./nemesis.ts";
import { NEXT_VERSION } from "./next-version.ts";
import { PLATFORM_ANSWERS } from "./platform-answers.ts";
import { PLATFORM_CREATE } from "./platform-create.ts";
import { RECORD_FIRST } from "./record-first.ts";
import { SIGNALS } from "./signals.ts";
import { SOAK } from "./soak.ts";
import { SOCKET } from "./socket.ts";
import { STOPPED } from "./stopped.ts";
import { TEMPORAL_DOWN } from "./temporal-down.ts";
import { UNWRITABLE } from "./unwritable.ts";
import { WORKER_KILLED } from "./worker-killed.ts";

export const ROWS: readonly Row[] = [
  ...WORKER_KILLED,
  ...RECORD_FIRST,
  ...STOPPED,
  ...BRIDGE_KILLED,
  ...TEMPORAL_DOWN,
  ...PLATFORM_CREATE,
  ...PLATFORM_ANSWERS,
  ...FOREIGN_WORKSPACE,
  ...SOCKET,
  ...INBOX,
  ...FRAMES,
  ...FORGED,
  ...UNWRITABLE,
  ...AUDIT,
  ...CROWDS,
  ...NEXT_VERSION,
  ...SIGNALS,
  ...NEMESIS,
  ...SOAK,
];
