/** The inbox's tables, in a schema of their own. Forward only: a step that was released is never changed, the next one is added. */
import type { Sql } from "./sql.ts";
import { ApprovalError } from "../domain/errors.ts";

/** Any number, as long as nobody else's: one process migrates, the others wait. */
const MIGRATION_LOCK = 4_021_978_166;

const STEPS: readonly (readonly string[])[] = [
  [
    // Texts are as src/inbox/sql-text.ts makes them; context is JSON.
    `create table countersign.approvals (
      seq bigint generated always as identity primary key,
      id text collate "C" not null unique,
      workspace_id text collate "C" not null,
      task_id text not null,
      action text not null,
      reason text not null,
      context text,
      status text not null default 'pending' check (status in ('pending', 'approved', 'denied')),
      decided_by text,
      decided_at timestamptz,
      comment text,
      created_at timestamptz not null,
      expires_at timestamptz,
      idempotency_key text collate "C",
      body_sha256 text,
      search text not null,
      check ((status = 'pending') = (decided_at is null and decided_by is null))
    )`,
    "create index on countersign.approvals (workspace_id, seq desc)",
    "create index on countersign.approvals (coalesce(expires_at, 'infinity'), seq) where status = 'pending'",
    "create index on countersign.approvals (workspace_id) where status = 'pending'",
    "create index on countersign.approvals (decided_at desc, seq desc) where status <> 'pending'",
    "create index on countersign.approvals (workspace_id, decided_at desc, seq desc) where status <> 'pending'",
    "create unique index on countersign.approvals (workspace_id, idempotency_key) where idempotency_key is not null",
    // Only hashes: whoever reads the database can use none of them. SHA-256 as hex.
    `create table countersign.tokens (
      id text primary key,
      kind text not null check (kind in ('agent', 'reviewer')),
      subject text not null,
      sha256 text not null unique,
      origin text not null,
      created_at timestamptz not null,
      revoked_at timestamptz
    )`,
    `create table countersign.logins (
      sha256 text primary key,
      kind text not null check (kind in ('code', 'session')),
      token_id text not null references countersign.tokens on delete cascade,
      expires_at timestamptz not null
    )`,
  ],
];

/** Brings the database to this version's tables. Throws ApprovalError ERR_CONFIG where a newer version has been there. */
export async function migrate(sql: Sql): Promise<void> {
  await sql.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    // Not `if not exists`: that wants the right to create, which the inbox need not have later.
    const [schema] = await tx.query("select 1 from pg_namespace where nspname = 'countersign'");
    if (schema === undefined) {
      await tx.query("create schema countersign");
      await tx.query("create table countersign.migrations (step int primary key, done_at timestamptz not null)");
    }
    const [last] = await tx.query<{ step: number }>(
      "select coalesce(max(step), 0)::int as step from countersign.migrations",
    );
    const done = last?.step ?? 0;
    if (done > STEPS.length) {
      throw new ApprovalError(
        "ERR_CONFIG",
        `The inbox's database has tables of a newer version (step ${done}, this one knows ${STEPS.length}); use that version or another database`,
      );
    }
    for (const [at, statements] of STEPS.entries()) {
      if (at < done) continue;
      for (const statement of statements) await tx.query(statement);
      await tx.query("insert into countersign.migrations values ($1, now())", [at + 1]);
    }
  });
}
