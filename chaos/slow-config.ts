/** A config.yaml that is valid, allows everything, and takes about a second to parse: as large as it may be, and nothing but nested lists. */
const MOST_BYTES = 256 * 1024;
/** Fewer levels than are refused. */
const DEPTH = 50;

const HEAD = "rbac: {roles: [admin]}\nother: [";
const NEST = `${"[".repeat(DEPTH)}${"]".repeat(DEPTH)},`;

export const SLOW_CONFIG = `${HEAD}${NEST.repeat(Math.floor((MOST_BYTES - HEAD.length - 2) / NEST.length))}]\n`;
