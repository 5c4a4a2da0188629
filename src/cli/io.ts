/** What a command may touch of its process, so that tests can stand in for a terminal. */

export interface Io {
  /** One line or block on stdout: results only. The newline is added. */
  out(text: string): void;
  /** One line or block on stderr: progress, notes, errors. */
  err(text: string): void;
  /** Whether colours are wanted on each stream: a terminal, and no NO_COLOR. */
  readonly colour: { readonly out: boolean; readonly err: boolean };
  /** The environment for `loadConfig`; absent: that of the process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Calls `listener` at the first Ctrl-C; a second one ends the process at once. Returns the function that calls it off. */
  onInterrupt(listener: () => void): () => void;
  /** What the process will exit with. A command sets it; until then 0. */
  exitCode: number;
}

/** The real thing. */
export function processIo(): Io {
  for (const stream of [process.stdout, process.stderr]) {
    // `countersign list | head -1` closes the pipe early, which is no failure of ours.
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  return {
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
    colour: { out: wantsColour(process.stdout), err: wantsColour(process.stderr) },
    onInterrupt(listener) {
      // Once the listener is gone, Node's own handling ends the process at the next Ctrl-C.
      process.once("SIGINT", listener);
      return () => process.removeListener("SIGINT", listener);
    },
    exitCode: 0,
  };
}

/** Node itself reads NO_COLOR, FORCE_COLOR and TERM for this answer. */
function wantsColour(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && stream.hasColors();
}
