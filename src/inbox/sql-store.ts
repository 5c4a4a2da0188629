/** The approvals in SQL: the only place that reads and writes `countersign.approvals`. */
import type { Json } from "../domain/request.ts";
import { CHANNEL, notice } from "./notice.ts";
import { fromSqlText, toSqlText } from "./sql-text.ts";
import { microseconds, timestamp } from "./sql-time.ts";
import type { Sql, SqlRunner, SqlValue } from "./sql.ts";
import type { Approval, ApprovalStore, Decision, InboxQuery, Page, Position } from "./store.ts";

interface Row {
  readonly seq: number;
  readonly id: string;
  readonly workspace_id: string;
  readonly task_id: string;
  readonly action: string;
  readonly reason: string;
  readonly context: string | null;
  readonly status: "pending" | "approved" | "denied";
  readonly decided_by: string | null;
  readonly decided_us: number | null;
  readonly comment: string | null;
  readonly created_us: number;
  readonly expires_us: number | null;
}

const COLUMNS = `seq::float8 as seq, id, workspace_id, task_id, action, reason, context, status, decided_by, comment,
  ${microseconds("decided_at")} as decided_us, ${microseconds("created_at")} as created_us,
  ${microseconds("expires_at")} as expires_us`;
const DEADLINE = "coalesce(expires_at, 'infinity')";

/** A store on a migrated database. */
export function createSqlStore(sql: Sql): ApprovalStore {
  const select = async (rest: string, values: readonly SqlValue[]): Promise<readonly Row[]> =>
    sql.query<Row>(`select ${COLUMNS} from countersign.approvals ${rest}`, values);

  const decideWhere = (
    condition: string,
    decision: Decision,
    values: readonly SqlValue[],
  ): Promise<readonly { id: string }[]> =>
    sql.query<{ id: string }>(
      `with decided as (
        update countersign.approvals set status = $1, decided_by = $2, decided_at = ${timestamp("$3")}, comment = $4,
          search = search || $5
        where status = 'pending' and ${condition} returning id
      )
      select id, pg_notify('${CHANNEL}', '${notice("decided", "")}' || id) from decided`,
      [
        decision.status,
        toSqlText(decision.decidedBy),
        toUs(decision.decidedAtMs),
        decision.comment === undefined ? null : toSqlText(decision.comment),
        searchable([decision.decidedBy]),
        ...values,
      ],
    );

  return {
    create(approval, maxPending, repeat) {
      const { workspaceId } = approval;
      return sql.transaction(async (tx) => {
        // One creation per workspace at a time: else two could both take the last free place.
        await tx.query("select pg_advisory_xact_lock(hashtextextended('countersign.approvals ' || $1, 0))", [
          workspaceId,
        ]);
        if (repeat !== undefined) {
          const [known] = await tx.query<Row & { readonly body_sha256: string }>(
            `select body_sha256, ${COLUMNS} from countersign.approvals where workspace_id = $1 and idempotency_key = $2`,
            [workspaceId, repeat.key],
          );
          if (known !== undefined) {
            return known.body_sha256 === repeat.bodySha256
              ? { kind: "created", approval: approvalOf(known), isNew: false }
              : { kind: "other_body" };
          }
        }
        const [counted] = await tx.query<{ pending: number }>(
          "select count(*)::int as pending from countersign.approvals where workspace_id = $1 and status = 'pending'",
          [workspaceId],
        );
        if ((counted?.pending ?? 0) >= maxPending) return { kind: "too_many_pending" };
        await insert(tx, approval, repeat);
        return { kind: "created", approval, isNew: true };
      });
    },

    async list({ workspaceId, ids, status, limit, after }) {
      const where = new Conditions();
      where.add((n) => `workspace_id = ${n}`, workspaceId);
      if (ids !== undefined) where.add((n) => `id = any(${n}::text[])`, ids.filter(isStorable));
      if (status === "decided") where.addText("status <> 'pending'");
      else if (status !== undefined) where.add((n) => `status = ${n}`, status);
      if (after !== undefined) where.add((n) => `seq < ${n}`, after[1]);
      const rows = await select(`${where.text()} order by seq desc limit ${limit + 1}`, where.values);
      return pageOf(rows, limit, ({ seq }) => [null, seq]);
    },

    async listRecent(workspaceId, newest, decidedLast) {
      const seqs = "select seq from countersign.approvals where workspace_id = $1";
      const rows = await select(
        `where seq in (${seqs} order by seq desc limit $2)
          or seq in (${seqs} and status <> 'pending' order by decided_at desc, seq desc limit $3) order by seq desc`,
        [workspaceId, newest, decidedLast],
      );
      return rows.map(approvalOf);
    },

    async get(workspaceId, approvalId) {
      if (!isStorable(approvalId)) return undefined;
      const [row] = await select("where workspace_id = $1 and id = $2", [workspaceId, approvalId]);
      return row === undefined ? undefined : approvalOf(row);
    },

    async getMany(ids) {
      return (await select("where id = any($1::text[])", [ids])).map(approvalOf);
    },

    async listPending(limit) {
      return (await select("where status = 'pending' order by seq desc limit $1", [limit])).map(approvalOf);
    },

    async search(query) {
      const { isPending, where } = conditionsOf(query);
      const [counted] = await sql.query<{ total: number }>(
        `select count(*)::int as total from countersign.approvals ${where.text()}`,
        where.values,
      );
      if (query.after !== undefined) addPosition(where, isPending, query.after);
      const order = isPending ? `${DEADLINE}, seq` : "decided_at desc, seq desc";
      const rows = await select(`${where.text()} order by ${order} limit ${query.limit + 1}`, where.values);
      const page = pageOf(rows, query.limit, (row) => [isPending ? row.expires_us : row.decided_us, row.seq]);
      return { ...page, total: counted?.total ?? 0 };
    },

    async decide(workspaceId, approvalId, decision) {
      if (!isStorable(approvalId)) return "not_pending";
      const decided = await decideWhere("workspace_id = $6 and id = $7", decision, [workspaceId, approvalId]);
      return decided.length === 0 ? "not_pending" : "decided";
    },

    async expire(expiredUntilMs, decision) {
      const condition = `expires_at <= ${timestamp("$6")}`;
      return (await decideWhere(condition, decision, [toUs(expiredUntilMs)])).map(({ id }) => id);
    },
  };
}

async function insert(tx: SqlRunner, approval: Approval, repeat?: { key: string; bodySha256: string }): Promise<void> {
  const { id, workspaceId, taskId, action, reason, context, createdAtMs, expiresAtMs } = approval;
  await tx.query(
    `insert into countersign.approvals
      (id, workspace_id, task_id, action, reason, context, created_at, expires_at, idempotency_key, body_sha256, search)
      values ($1, $2, $3, $4, $5, $6, ${timestamp("$7")}, ${timestamp("$8")}, $9, $10, $11)`,
    [
      id,
      workspaceId,
      toSqlText(taskId),
      toSqlText(action),
      toSqlText(reason),
      context === undefined ? null : toSqlText(JSON.stringify(context)),
      toUs(createdAtMs),
      expiresAtMs === undefined ? null : toUs(expiresAtMs),
      repeat?.key ?? null,
      repeat?.bodySha256 ?? null,
      searchable([workspaceId, action, reason]),
    ],
  );
  await tx.query("select pg_notify($1, $2)", [CHANNEL, notice("requested", id)]);
}

function conditionsOf({ status, text }: InboxQuery): { readonly isPending: boolean; readonly where: Conditions } {
  const where = new Conditions();
  where.addText(status === "pending" ? "status = 'pending'" : "status <> 'pending'");
  if (text !== "") where.add((n) => `strpos(search, ${n}) > 0`, toSqlText(text.toLowerCase()));
  return { isPending: status === "pending", where };
}

function addPosition(where: Conditions, isPending: boolean, [timeUs, seq]: Position): void {
  const time = where.hold(timeUs);
  const place = `(coalesce(${timestamp(time)}, 'infinity'), ${where.hold(seq)}::bigint)`;
  where.addText(isPending ? `(${DEADLINE}, seq) > ${place}` : `(decided_at, seq) < ${place}`);
}

/** The `where` of a statement, with its values. */
class Conditions {
  readonly values: SqlValue[] = [];
  readonly #parts: string[] = [];

  hold(value: SqlValue): string {
    return `$${this.values.push(value)}`;
  }

  add(part: (name: string) => string, value: SqlValue): void {
    this.#parts.push(part(this.hold(value)));
  }

  addText(part: string): void {
    this.#parts.push(part);
  }

  text(): string {
    return `where ${this.#parts.join(" and ")}`;
  }
}

/** One row more than asked for was read, to know whether there is another page. */
function pageOf(rows: readonly Row[], limit: number, positionOf: (row: Row) => Position): Page {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    approvals: shown.map(approvalOf),
    ...(rows.length > limit && last !== undefined ? { next: positionOf(last) } : {}),
  };
}

function approvalOf(row: Row): Approval {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    taskId: fromSqlText(row.task_id),
    action: fromSqlText(row.action),
    reason: fromSqlText(row.reason),
    ...(row.context === null ? {} : { context: JSON.parse(fromSqlText(row.context)) as { [key: string]: Json } }),
    createdAtMs: row.created_us / 1000,
    ...(row.expires_us === null ? {} : { expiresAtMs: row.expires_us / 1000 }),
    ...(row.status === "pending"
      ? {}
      : {
          decision: {
            status: row.status,
            decidedBy: fromSqlText(row.decided_by ?? ""),
            decidedAtMs: (row.decided_us ?? 0) / 1000,
            ...(row.comment === null ? {} : { comment: fromSqlText(row.comment) }),
          },
        }),
  };
}

/** Lower-cased here, because what a database does to letters depends on its locale. A line each: no match across two fields. */
function searchable(fields: readonly string[]): string {
  return toSqlText(fields.map((field) => `${field.toLowerCase()}\n`).join(""));
}

function toUs(timeMs: number): number {
  return Math.round(timeMs * 1000);
}

/** Ids are ours and plain; anything else is nobody's, and PostgreSQL would refuse some of it. */
function isStorable(id: string): boolean {
  return /^[\w-]{1,64}$/.test(id);
}
