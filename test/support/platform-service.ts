/** What the test platform does with a request: its rules, its store and its sockets, put together. */
import type { IncomingHttpHeaders } from "node:http";
import type { WebSocket } from "ws";
import { announceDecided, announceRequested } from "./platform-events.ts";
import type { Audience } from "./platform-events.ts";
import type { Answer, FaultAnswer } from "./platform-faults.ts";
import { RateLimit } from "./platform-rate-limit.ts";
import { answer, handshakeRefusal, notFound } from "./platform-routes.ts";
import type { RouteRules } from "./platform-routes.ts";
import type { LoggedRequest, ServerDuties } from "./platform-server.ts";
import { PlatformSockets } from "./platform-sockets.ts";
import { PlatformStore } from "./platform-store.ts";
import type { PlatformApproval, WorkspaceOptions } from "./platform-store.ts";

export interface PlatformOptions {
  /** The seed's contract: no token needed unless a workspace has one, three keys per list item, `APPROVAL_DECIDED`. */
  readonly minimal?: boolean;
  readonly workspaces?: { readonly [id: string]: WorkspaceOptions };
  readonly adminToken?: string;
  /** Nobody hears of anything on a socket. */
  readonly eventsOff?: boolean;
  /** The status that answers every handshake. */
  readonly refuseSocket?: number;
  /** 50 by default. */
  readonly listLimit?: number;
  /** A list with `?ids=` answers just these, as our inbox does (docs/protocol.md, "List"). The real platform reads no query. */
  readonly answersIds?: boolean;
  /** How far the platform's clock (`Date`, `created_at`, `decided_at`) is ahead of this machine's. */
  readonly clockOffsetMs?: number;
  /** Any free one by default. */
  readonly port?: number;
  /** Requests a minute before a 429; without it 600 are announced and none is refused. */
  readonly rateLimit?: number;
  /** Allowed values of Origin in a handshake, as with CORS_ORIGINS on the real platform. */
  readonly origins?: readonly string[];
  /** X-Molecule-Org-Id that every request must carry. */
  readonly orgId?: string;
}

/** What a test may change while the platform runs. */
export interface PlatformHooks {
  readonly eventsOff: boolean;
  readonly refuseSocket: number | undefined;
  readonly onCreate: ((approval: PlatformApproval) => void | Promise<void>) | undefined;
  readonly onList: ((items: readonly object[]) => readonly unknown[]) | undefined;
}

export class PlatformService implements ServerDuties {
  readonly sockets: PlatformSockets;
  readonly #options: PlatformOptions;
  readonly #hooks: PlatformHooks;
  readonly #changed: () => void;
  readonly #limit: RateLimit;
  #store: PlatformStore;

  constructor(options: PlatformOptions, hooks: PlatformHooks, changed: () => void) {
    this.#options = options;
    this.#hooks = hooks;
    this.#changed = changed;
    this.#limit = new RateLimit(options.rateLimit);
    this.#store = freshStore(options);
    this.sockets = new PlatformSockets(changed);
  }

  get store(): PlatformStore {
    return this.#store;
  }

  /** Back to the workspaces of the options, without approvals. */
  forget(): void {
    this.#store = freshStore(this.#options);
  }

  requested(approval: PlatformApproval): void {
    this.#tell(announceRequested, approval);
  }

  decided(approval: PlatformApproval): void {
    this.#tell(announceDecided, approval);
  }

  headers(): { readonly [name: string]: string } {
    return { Date: new Date(this.#store.nowMs()).toUTCString(), ...this.#limit.count() };
  }

  async answer(request: LoggedRequest): Promise<Answer> {
    const [path = "", query] = request.path.split("?");
    const ids = new URLSearchParams(query).get("ids") ?? "";
    const { authorization } = request.headers;
    const asked = { method: request.method, path, ids: ids.split(","), authorization, body: request.body };
    const given = this.#refusal(request.headers) ?? (await answer(this.#rules(), asked));
    this.#changed();
    return given;
  }

  handshakeRefusal(request: LoggedRequest): Answer | undefined {
    if (this.#hooks.refuseSocket !== undefined) return { status: this.#hooks.refuseSocket, headers: {}, body: "" };
    const refusal = this.#refusal(request.headers);
    if (refusal !== undefined) return refusal;
    const [path] = request.path.split("?");
    if (path !== "/ws") return notFound;
    const { origins } = this.#options;
    const { origin, authorization } = request.headers;
    if (origins !== undefined && (origin === undefined || !origins.includes(origin))) {
      return { status: 403, headers: { "content-type": "text/plain; charset=utf-8" }, body: "Forbidden" };
    }
    return handshakeRefusal(this.#rules(), workspaceOf(request), authorization);
  }

  connected(raw: WebSocket, request: LoggedRequest, fault: FaultAnswer | undefined): void {
    const socket = this.sockets.add(raw, workspaceOf(request));
    if (fault === "hang") this.sockets.freeze(socket);
    else if (fault !== undefined) raw.terminate();
  }

  #refusal(headers: IncomingHttpHeaders): Answer | undefined {
    const { orgId } = this.#options;
    if (orgId !== undefined && headers["x-molecule-org-id"] !== orgId) return notFound;
    return this.#limit.refusal();
  }

  #rules(): RouteRules {
    return {
      store: this.#store,
      minimal: this.#options.minimal ?? false,
      adminToken: this.#options.adminToken,
      listLimit: this.#options.listLimit ?? 50,
      answersIds: this.#options.answersIds ?? false,
      requested: async (approval) => {
        this.requested(approval);
        await this.#hooks.onCreate?.(approval);
      },
      decided: (approval) => this.decided(approval),
      listed: (items) => this.#hooks.onList?.(items) ?? items,
    };
  }

  #tell(announce: (audience: Audience, approval: PlatformApproval) => void, approval: PlatformApproval): void {
    const audience = { sockets: this.sockets, store: this.#store, minimal: this.#options.minimal ?? false };
    if (!this.#hooks.eventsOff) announce(audience, approval);
    this.#changed();
  }
}

function freshStore(options: PlatformOptions): PlatformStore {
  const store = new PlatformStore(options.clockOffsetMs ?? 0);
  for (const [id, workspace] of Object.entries(options.workspaces ?? {})) store.addWorkspace(id, workspace);
  return store;
}

function workspaceOf(request: LoggedRequest): string | undefined {
  const id = request.headers["x-workspace-id"];
  return typeof id === "string" && id !== "" ? id : undefined;
}
