/** A PostgreSQL server of the test's own, where one is installed: data in a temporary folder, reached by a socket in it. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { Client } from "pg";
import { until } from "./until.ts";

export interface TestPostgres {
  /** DATABASE_URL of a new, empty database. */
  createDatabase(): Promise<string>;
  stop(): Promise<void>;
}

/** Where Debian keeps the servers, which it does not put on PATH. */
const DEBIAN = "/usr/lib/postgresql";

/** `undefined` where there is none, which with CI=true is an error. */
export async function startPostgres(): Promise<TestPostgres | undefined> {
  const bin = findServer();
  if (bin === undefined) {
    if (process.env["CI"] === "true")
      throw new Error(`CI=true and no initdb on PATH or in ${DEBIAN}; install postgresql`);
    return undefined;
  }
  // Short, because a socket's path has at most 107 bytes.
  const folder = await mkdtemp("/tmp/cs-pg-");
  const user = serverUser();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  execFileSync(join(bin, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"], {
    ...user,
    cwd: folder,
    stdio: "pipe",
  });
  const settings = [`unix_socket_directories=${folder}`, "listen_addresses=", "fsync=off"];
  const server = spawn(join(bin, "postgres"), ["-D", data, ...settings.flatMap((one) => ["-c", one])], {
    ...user,
    cwd: folder,
    stdio: "ignore",
  });
  const urlOf = (name: string) => `postgresql://postgres@localhost/${name}?host=${encodeURIComponent(folder)}`;
  const run = async (statement: string): Promise<void> => {
    const client = new Client({ connectionString: urlOf("postgres") });
    try {
      await client.connect();
      await client.query(statement);
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  await until("PostgreSQL answers", () =>
    run("select 1").then(
      () => true,
      () => false,
    ),
  );
  let databases = 0;
  return {
    async createDatabase() {
      const name = `test_${++databases}`;
      await run(`create database ${name}`);
      return urlOf(name);
    },
    async stop() {
      const gone = once(server, "exit");
      server.kill("SIGINT");
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function findServer(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((one, other) => Number(other) - Number(one)) : [];
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    ...versions.map((version) => join(DEBIAN, version, "bin")),
  ];
  return folders.find(
    (folder) => folder !== "" && ["initdb", "postgres"].every((program) => existsSync(join(folder, program))),
  );
}

/** The server refuses to run as root. */
function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
