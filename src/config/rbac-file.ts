/**
 * The `rbac` section of config.yaml (docs/configuration.md, "Roles"). It fails closed: a file that is there and cannot be
 * understood grants nothing, where the original tool fell back to a role that may ask for anything.
 */
import { constants } from "node:fs";
import { lstat, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { isAlias, isCollection, isMap, isScalar, LineCounter, parseDocument, visit, type Document } from "yaml";
import { messageOf } from "../domain/errors.ts";
import { DEFAULT_ROLE, type AllowedActions } from "../domain/permission.ts";

export interface Rbac {
  readonly roles: readonly string[];
  readonly allowedActions: AllowedActions;
}

const MAX_BYTES = 256 * 1024;
const MAX_DEPTH = 64;
const MAX_ALIASES = 20;
/** A file written less than this ago may change again without a new time, and is not kept. */
const SETTLED_MS = 2_000;

const UNSET: Rbac = { roles: [DEFAULT_ROLE], allowedActions: new Map() };

/** Why a file was refused; the message completes "<path>: ". */
class Unreadable extends Error {}

/**
 * A reader of `<folder>/config.yaml`, kept until the file changes. It rejects with an Error, "<path>: <why>", where the file is there but
 * not understood. The message never repeats the file's text, which may hold secrets of others.
 */
export function createRbacReader(folder: string): () => Promise<Rbac> {
  const path = join(folder, "config.yaml");
  let kept: { readonly stamp: string; readonly rbac: Rbac } | undefined;
  return async () => {
    try {
      const file = await openFile(path);
      if (file === undefined) return UNSET;
      try {
        const { stamp, settled } = await stampOf(file);
        if (kept?.stamp === stamp) return kept.rbac;
        const rbac = rbacOf(await read(file));
        kept = settled ? { stamp, rbac } : undefined;
        return rbac;
      } finally {
        await file.close();
      }
    } catch (error) {
      throw new Error(`${path}: ${messageOf(error)}`, { cause: error });
    }
  };
}

/** `undefined` where there is no such file. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    // Non-blocking: a named pipe in its place must not hold the worker.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const there = await lstat(path).then(
    () => true,
    () => false,
  );
  if (there) throw new Unreadable("it is a link to a file that does not exist");
  return undefined;
}

async function stampOf(file: FileHandle): Promise<{ stamp: string; settled: boolean }> {
  const stat = await file.stat({ bigint: true });
  if (!stat.isFile()) throw new Unreadable("it is not a regular file");
  const { dev, ino, size, mtimeNs, ctimeNs } = stat;
  const settled = BigInt(Date.now() - SETTLED_MS) * 1_000_000n > (mtimeNs > ctimeNs ? mtimeNs : ctimeNs);
  return { stamp: [dev, ino, size, mtimeNs, ctimeNs].join(":"), settled };
}

async function read(file: FileHandle): Promise<string> {
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  if (length > MAX_BYTES) throw new Unreadable(`it is larger than ${MAX_BYTES} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, length));
  } catch {
    throw new Unreadable("it is not UTF-8");
  }
}

function rbacOf(text: string): Rbac {
  const document = parse(text);
  if (document.contents === null || (isScalar(document.contents) && document.contents.source === "")) return UNSET;
  if (!isMap(document.contents)) throw new Unreadable("the top level must be a map");
  const content: unknown = document.toJS({ mapAsMap: true, maxAliasCount: MAX_ALIASES });
  const rbac = (content as ReadonlyMap<unknown, unknown>).get("rbac");
  if (rbac === undefined) return UNSET;
  if (!(rbac instanceof Map)) throw new Unreadable("rbac must be a map");
  const roles: unknown = rbac.has("roles") ? rbac.get("roles") : UNSET.roles;
  if (!isStrings(roles)) throw new Unreadable("rbac.roles must be a list of strings");
  const lists: unknown = rbac.has("allowed_actions") ? rbac.get("allowed_actions") : UNSET.allowedActions;
  if (!isLists(lists)) throw new Unreadable("rbac.allowed_actions must be a map of lists of strings");
  return { roles, allowedActions: lists };
}

function parse(text: string): Document {
  const lines = new LineCounter();
  // Unique keys are checked below: the parser's own check compares each key with each other.
  const document = parseDocument(text, { schema: "core", uniqueKeys: false, prettyErrors: false, lineCounter: lines });
  // A warning is a tag that nobody here knows.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw new Unreadable(`${problem.code} at line ${line}, column ${col}`);
  }
  visit(document, {
    Node(_, __, path) {
      if (path.filter(isCollection).length >= MAX_DEPTH)
        throw new Unreadable(`it is nested deeper than ${MAX_DEPTH} levels`);
    },
    Map(_, map) {
      const keys = new Set<unknown>();
      for (const { key } of map.items) {
        if (isAlias(key)) throw new Unreadable("an alias stands where a key is expected");
        const value = isScalar(key) ? key.value : key;
        if (keys.has(value)) throw new Unreadable(`a key stands twice in one map${positionOf(key, lines)}`);
        keys.add(value);
      }
    },
  });
  return document;
}

function positionOf(node: unknown, lines: LineCounter): string {
  const range = isScalar(node) ? node.range : undefined;
  if (range === undefined || range === null) return "";
  const { line, col } = lines.linePos(range[0]);
  return ` at line ${line}, column ${col}`;
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isLists(value: unknown): value is AllowedActions {
  return (
    value instanceof Map &&
    [...value].every(([key, list]: [unknown, unknown]) => typeof key === "string" && isStrings(list))
  );
}
