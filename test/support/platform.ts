/**
 * A server that plays the platform for tests: REST and /ws as docs/protocol.md describes them, with faults on demand.
 * It shares no code with what it tests; test/platform-contract.test.ts holds it against recorded traffic of the real platform.
 */
import { Conditions } from "./platform-conditions.ts";
import { Faults } from "./platform-faults.ts";
import type { Fault, FaultRule } from "./platform-faults.ts";
import type { FrameRule } from "./platform-frames.ts";
import { PlatformServer } from "./platform-server.ts";
import type { LoggedRequest } from "./platform-server.ts";
import { PlatformService } from "./platform-service.ts";
import type { PlatformHooks, PlatformOptions } from "./platform-service.ts";
import type { PlatformSocket } from "./platform-sockets.ts";
import type { DecideOptions, NewPlatformApproval, PlatformApproval, WorkspaceOptions } from "./platform-store.ts";

export async function startPlatform(options: PlatformOptions = {}): Promise<TestPlatform> {
  const platform = new TestPlatform(options);
  await platform.start();
  return platform;
}

export class TestPlatform implements PlatformHooks {
  /** Every request and handshake, oldest first, logged as soon as its body is here. */
  readonly requests: LoggedRequest[] = [];
  eventsOff: boolean;
  refuseSocket: number | undefined;
  /** Runs when a POST has stored an approval and sent its events, and before the 201 leaves. */
  onCreate: ((approval: PlatformApproval) => void | Promise<void>) | undefined;
  /** Changes what a list answers: reorder, duplicate, leave out, corrupt. */
  onList: ((items: readonly object[]) => readonly unknown[]) | undefined;

  readonly #conditions = new Conditions();
  readonly #faults = new Faults();
  readonly #service: PlatformService;
  readonly #server: PlatformServer;
  /** Approvals that nextApproval has handed out, or that it must not. */
  readonly #taken = new Set<string>();
  #port: number;

  constructor(options: PlatformOptions) {
    this.#port = options.port ?? 0;
    this.eventsOff = options.eventsOff ?? false;
    this.refuseSocket = options.refuseSocket;
    this.#service = new PlatformService(options, this, () => this.#conditions.changed());
    this.#server = new PlatformServer(this.#service, this.#faults, (request) => {
      this.requests.push(request);
      this.#conditions.changed();
    });
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Connected and not frozen. */
  get sockets(): readonly PlatformSocket[] {
    return this.#service.sockets.live;
  }

  addWorkspace(id: string, options: WorkspaceOptions = {}): void {
    this.#service.store.addWorkspace(id, options);
  }

  /** Rotates a workspace's token; `null` revokes it. Open sockets stay open, as on the real platform. */
  setToken(workspaceId: string, token: string | null): void {
    const workspace = this.#service.store.workspaces.get(workspaceId);
    if (workspace === undefined) throw new Error(`the test platform knows no workspace ${workspaceId}`);
    workspace.token = token;
  }

  /** What stands on the platform, in the order of creation. */
  approvals(workspaceId: string): PlatformApproval[] {
    return this.#service.store.of(workspaceId);
  }

  /** An approval made by somebody else; nextApproval does not return it. */
  create(workspaceId: string, wanted: NewPlatformApproval = {}): string {
    if (!this.#service.store.workspaces.has(workspaceId)) this.addWorkspace(workspaceId);
    const approval = this.#service.store.create(workspaceId, wanted);
    this.#taken.add(approval.id);
    this.#service.requested(approval);
    return approval.id;
  }

  /** The first decision stands; false for any other. `silent` sends no event. */
  decide(
    approvalId: string,
    decision: "approved" | "denied",
    decidedBy = "human",
    options: DecideOptions & { readonly silent?: boolean } = {},
  ): boolean {
    const decided = this.#service.store.decide(approvalId, decision, decidedBy, options);
    const approval = this.#service.store.find(approvalId, options.workspaceId);
    if (decided && approval !== undefined && options.silent !== true) this.#service.decided(approval);
    this.#conditions.changed();
    return decided;
  }

  /** Closes everything pending as the real platform does after ten minutes: `auto-expired`, without an event. */
  expireAll(): void {
    this.#service.store.expire(0);
    this.#conditions.changed();
  }

  /** The oldest approval that came by POST, fits, and was not returned before; waits up to 20 s for one. */
  async nextApproval(
    workspaceId: string,
    fits: (approval: PlatformApproval) => boolean = () => true,
  ): Promise<PlatformApproval> {
    let found: PlatformApproval | undefined;
    await this.until(() => {
      found = this.approvals(workspaceId).find((approval) => !this.#taken.has(approval.id) && fits(approval));
      if (found !== undefined) this.#taken.add(found.id);
      return found !== undefined;
    }, `a new approval of workspace ${workspaceId}`);
    if (found === undefined) throw new Error("an approval was found and lost");
    return found;
  }

  count(method: string, pathPart: string): number {
    return this.requests.filter((request) => request.method === method && request.path.includes(pathPart)).length;
  }

  /** Resolves once the predicate holds; asked after every request, event, decision and socket change; rejects after 20 s. */
  until(predicate: () => boolean, what: string = predicate.toString()): Promise<void> {
    return this.#conditions.until(predicate, () => {
      const last = this.requests.slice(-5).map((request) => `${request.method} ${request.path}`);
      return `${what} (${this.requests.length} requests, the last: ${last.join(", ")}; ${this.sockets.length} sockets)`;
    });
  }

  untilConnected(workspaceId: string, sockets = 1): Promise<void> {
    const connected = (): number => this.sockets.filter((socket) => socket.workspaceId === workspaceId).length;
    return this.until(() => connected() >= sockets, `${sockets} socket(s) of workspace ${workspaceId}`);
  }

  /** A raw frame to every live socket of that workspace; a Buffer is binary unless told. Returns how many it reached. */
  send(workspaceId: string, data: string | Buffer, { binary = typeof data !== "string" } = {}): number {
    return this.#service.sockets.send(workspaceId, data, binary);
  }

  /** Cuts every connection (1006), or closes it with a code. */
  dropSockets(code?: number): void {
    this.#service.sockets.drop(code);
  }

  /** Makes every open socket half-open: nothing more is read, answered or sent. */
  freezeSockets(): void {
    this.#service.sockets.freeze();
  }

  /** Holds events back until resumeEvents, which sends them in their order. */
  pauseEvents(): void {
    this.#service.sockets.pause();
  }

  resumeEvents(): void {
    this.#service.sockets.resume();
  }

  fault(rule: FaultRule): Fault {
    return this.#faults.add(rule);
  }

  /** What happens to frames on their way, events and those of `send` alike. */
  frameFault(rule: FrameRule): Fault {
    return this.#service.sockets.frameFaults.add(rule);
  }

  /** Every socket that is open now hears only so many bytes a second, until the returned function is called. */
  slowSockets(bytesPerSecond: number): () => void {
    return this.#service.sockets.slow(bytesPerSecond);
  }

  async start(): Promise<void> {
    this.#port = await this.#server.start(this.#port);
  }

  /** Cuts every connection and stops listening. Without `keepState` it forgets all approvals and ends every wait. */
  async stop({ keepState = false } = {}): Promise<void> {
    await this.#server.stop();
    if (keepState) return;
    this.#service.forget();
    this.#conditions.abandon("the test platform was stopped");
  }

  /** The same port and the same state. */
  async restart(): Promise<void> {
    await this.stop({ keepState: true });
    await this.start();
  }
}
