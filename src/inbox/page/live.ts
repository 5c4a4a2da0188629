/** The socket, opened again for as long as the page lives. */

export interface LiveParts {
  readonly onOpen: () => void;
  readonly onFrame: (frame: string) => void;
  /** The socket was lost or could not be opened; the next attempt comes after so many milliseconds. */
  readonly onLost: (retryMs: number) => void;
}

export interface Live {
  /** Gives up a socket that shows no life or whose list could not be read; the next one comes after the usual wait. */
  giveUp(): void;
  stop(): void;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8_000;

export function openLive({ onOpen, onFrame, onLost }: LiveParts): Live {
  let socket: WebSocket | undefined;
  let timer: number | undefined;
  let losses = 0;

  const open = (): void => {
    drop();
    const own = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    socket = own;
    own.addEventListener("open", () => {
      losses = 0;
      onOpen();
    });
    own.addEventListener("message", ({ data }) => onFrame(String(data)));
    own.addEventListener("close", () => lost(own));
  };
  const lost = (own: WebSocket | undefined): void => {
    if (own !== socket) return;
    drop();
    // Jittered, so that many pages do not come back in one moment.
    const retryMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** losses++) * (0.75 + Math.random() / 2);
    timer = setTimeout(open, retryMs);
    onLost(retryMs);
  };
  const drop = (): void => {
    clearTimeout(timer);
    const old = socket;
    socket = undefined;
    old?.close();
  };
  const offline = (): void => {
    if (socket !== undefined) lost(socket);
  };

  // A closed lid or a lost network is told to the page long before the socket notices.
  addEventListener("offline", offline);
  addEventListener("online", open);
  open();
  return {
    giveUp: offline,
    stop() {
      removeEventListener("offline", offline);
      removeEventListener("online", open);
      drop();
    },
  };
}
