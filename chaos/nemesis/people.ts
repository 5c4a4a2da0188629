/** Agents and people of the nemesis. They use the same broken wires as everybody, and often do not know what came of it. */
import { setTimeout as delay } from "node:timers/promises";
import type { Approvals } from "../../src/client/approvals.ts";
import type { ApprovalResult } from "../../src/domain/outcome.ts";
import type { OpenBook, Stage } from "../field.ts";
import type { Attempt } from "../witness.ts";
import type { PlannedRequest } from "./plan.ts";

const PATIENCE_MS = 3_000;
const AGAIN_MS = 1_500;

export interface Company {
  readonly stage: Stage;
  readonly book: OpenBook;
  /** With little patience for a Temporal that does not answer. */
  readonly approvals: Approvals;
  /** Without our client, and with even less patience. */
  readonly bare: Pick<Approvals, "start">;
  /** The same, and Temporal's answer gets lost. */
  readonly unheard: Pick<Approvals, "start">;
  /** The people's own; an agent's may decide nothing. */
  readonly token: string;
}

/** The whole life of one request. Its result; `undefined` where nobody ever learned one. */
export async function live(company: Company, request: PlannedRequest): Promise<ApprovalResult | undefined> {
  await delay(request.startMs);
  const born = await ask(company, request);
  let over = false;
  const told = born?.result.then((result) => {
    over = true;
    return result;
  });
  await Promise.race([delay(request.fateMs), told]);
  const { fate } = request;
  if (fate === "withdrawn" && !over) await withdraw(company, request);
  // Nobody told the people that it may not exist: they decide what they see.
  if (fate === "approved" || fate === "denied") await decideAll(company, request, fate, "ana", () => over);
  if (fate === "disputed") {
    const sides = [
      ["approved", "ana"],
      ["denied", "ben"],
    ] as const;
    await Promise.all(sides.map(([decision, by]) => decideAll(company, request, decision, by, () => over)));
  }
  return await told;
}

const actionOf = ({ n }: PlannedRequest) => `request ${n}`;
const idOf = ({ n }: PlannedRequest) => `nemesis-${n}`;

/** An agent that asks again, where it is one that insists. */
async function ask({ stage, approvals, bare, unheard }: Company, request: PlannedRequest) {
  const { agent, insists } = request;
  const client = (isFirst: boolean) => (agent === "ours" ? approvals : agent === "unheard" && isFirst ? unheard : bare);
  const options = { requestId: idOf(request), timeoutSeconds: request.timeoutSeconds };
  for (let left = insists; ; left--) {
    const started = await stage.attempt(client(left === insists), actionOf(request), options);
    if (started !== undefined || left === 0) return started;
    await delay(AGAIN_MS);
  }
}

async function withdraw({ stage, book }: Company, request: PlannedRequest): Promise<void> {
  const { temporal, workspaceId } = stage.stack;
  const workflowId = `approval:${workspaceId}:${idOf(request)}`;
  book.withdrawals.add(workflowId);
  // Once, and whatever comes of it: an agent that dies in the middle does not know either.
  const cancel = () => temporal.workflow.getHandle(workflowId).cancel();
  await temporal.withDeadline(Date.now() + PATIENCE_MS, cancel).catch(() => undefined);
}

/** Whatever stands of a request, be it twice: people decide what they see. */
async function decideAll(
  company: Company,
  request: PlannedRequest,
  decision: Attempt["decision"],
  name: string,
  isOver: () => boolean,
): Promise<void> {
  const { platform, workspaceId } = company.stage.stack;
  const standing = () => platform.approvals(workspaceId).filter(({ action }) => action === actionOf(request));
  const giveUpAt = performance.now() + request.timeoutSeconds * 1_000;
  while (standing().length === 0) {
    if (isOver() || performance.now() > giveUpAt) return;
    await delay(100);
  }
  for (const { id } of standing()) {
    for (let left = request.insists; ; left--) {
      const attempt = await decide(company, id, decision, `${name}-${request.n}`);
      company.stage.tried(attempt);
      if (attempt.known !== "unknown" || left === 0) break;
      await delay(AGAIN_MS);
    }
  }
}

async function decide(
  { stage, token }: Company,
  approval_id: string,
  decision: Attempt["decision"],
  by: string,
): Promise<Attempt> {
  const { platform, workspaceId } = stage.stack;
  const attempt = { approval_id, decision, by, sent_ms: Date.now() };
  try {
    const response = await fetch(`${platform.url}/workspaces/${workspaceId}/approvals/${approval_id}/decide`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", connection: "close" },
      body: JSON.stringify({ decision, decided_by: by }),
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { ...attempt, known: knownBy(response.status, await response.text(), approval_id, decision) };
  } catch {
    return { ...attempt, known: "unknown" };
  }
}

/** Only the platform's own words count; any other answer may come from a broken wire. */
function knownBy(status: number, text: string, approval_id: string, decision: string): Attempt["known"] {
  if (status === 200 && text === JSON.stringify({ approval_id, status: decision })) return "taken";
  // Refused as decided already: perhaps by this very person, whose answer got lost. That attempt is noted by itself.
  if (status === 404 && text.includes("already decided")) return "refused";
  return "unknown";
}
