/** Row 31: what is decided about an equal approval id in another workspace is not decided about ours. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { signalsOf, untilWatch } from "../../test/support/history.ts";
import type { Asked, Field, Stage } from "../field.ts";
import { watchToo } from "../other-watch.ts";
import type { Figures, Row } from "../row.ts";

/** Their decider is eve. */
async function heardOfUsAlone({ stack }: Stage, { handle }: Asked): Promise<void> {
  const deciders = (await signalsOf(stack.temporal, handle.workflowId)).map(
    ({ payload }) => (payload as { readonly decided_by?: string }).decided_by,
  );
  assert.deepEqual(new Set(deciders), new Set(["bob"]), "their decision was not even a hint");
}

async function otherNames(field: Field): Promise<void> {
  const stage = await field.stage({ worker: true, bridge: true });
  const { platform, workspaceId } = stage.stack;
  await platform.untilConnected(workspaceId);
  const asked = await stage.askAndWait("ours, not theirs");
  const payload = { approval_id: asked.approval.id, decided_by: "eve", decision: "approved" };
  const timestamp = new Date().toISOString();
  for (const workspace_id of [randomUUID(), randomUUID()]) {
    platform.send(workspaceId, JSON.stringify({ event: "APPROVAL_APPROVED", workspace_id, timestamp, payload }));
  }
  stage.decide(asked, "denied", { by: "bob" });
  await stage.ends(asked, "denied");
  await heardOfUsAlone(stage, asked);
}

/** Both workspaces are watched by one bridge, and both hear of each other, as siblings do on the platform. */
async function equalIds(field: Field, theirTask: (ours: Asked, theirs: string) => string): Promise<Figures> {
  const stage = await field.stage({ worker: true, bridge: true });
  const { platform, temporal, workspaceId } = stage.stack;
  const other = randomUUID();
  await watchToo(field, stage, other);
  await untilWatch(temporal, workspaceId, "streaming", (state) => state.mode === "stream");
  const asked = await stage.askAndWait("ours, not theirs");
  const { id } = asked.approval;
  platform.create(other, { id, task_id: theirTask(asked, other), action: "theirs" });
  const decidedMs = Date.now();
  assert.ok(platform.decide(id, "approved", "eve", { workspaceId: other }), "their decision was taken");
  // It went over both sockets. Then both are dialled again, and their list tells it as well.
  platform.dropSockets();
  const lists = () =>
    platform.requests.filter(({ method, path, at }) => method === "GET" && at >= decidedMs && path.includes(other));
  await platform.until(() => lists().length > 0, "a list of the other workspace");
  for (const one of [other, workspaceId]) await platform.untilConnected(one);
  assert.equal(platform.approvals(workspaceId)[0]?.status, "pending");
  stage.decide(asked, "denied", { by: "bob" });
  const result = await stage.ends(asked, "denied");
  assert.equal(result.status === "denied" && result.decided_by, "bob");
  await heardOfUsAlone(stage, asked);
  assert.equal(platform.approvals(other)[0]?.decided_by, "eve");
  return { lists_of_the_other: lists().length };
}

export const FOREIGN_WORKSPACE: readonly Row[] = [
  { row: 31, name: "our approval id in an event of another workspace", run: otherNames },
  {
    row: 31,
    name: "an approval of equal id in another workspace, with a task of its own, is approved",
    run: (field) => equalIds(field, (_, theirs) => `approval:${theirs}:theirs#${randomUUID()}`),
  },
  {
    row: 31,
    name: "an approval of equal id in another workspace, with our task, is approved",
    run: (field) => equalIds(field, ({ approval }) => approval.task_id),
  },
  {
    row: 31,
    name: "an approval of equal id in another workspace, without a task, is approved",
    run: (field) => equalIds(field, () => ""),
  },
];
