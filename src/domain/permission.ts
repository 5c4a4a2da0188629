/**
 * Which roles may ask for an approval: the original tool's role table and order of evaluation
 * (docs/configuration.md, "Roles"). Maps and sets only, so that a role called `constructor` finds nothing.
 */

/** A role's own list of actions, which replaces the built-in one of that role. */
export type AllowedActions = ReadonlyMap<string, readonly string[]>;

/** The role of a workspace whose configuration names none. */
export const DEFAULT_ROLE = "operator";

const ADMIN = "admin";

const BUILT_IN: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["operator", new Set(["delegate", "approve", "memory.read", "memory.write"])],
  ["read-only", new Set(["memory.read"])],
  ["no-delegation", new Set(["approve", "memory.read", "memory.write"])],
  ["no-approval", new Set(["delegate", "memory.read", "memory.write"])],
  ["memory-readonly", new Set(["memory.read"])],
]);

/**
 * True where one of the roles grants the action. `admin` grants every action and cannot be overridden; a role found in
 * `allowedActions` is judged by that list only, any other by the built-in table. An unknown role grants nothing, no roles grant nothing.
 * Names are exact: case and spaces count, and there is no wildcard.
 */
export function isAllowed(action: string, roles: readonly string[], allowedActions: AllowedActions): boolean {
  return roles.some((role) => {
    if (role === ADMIN) return true;
    const own = allowedActions.get(role);
    return own === undefined ? (BUILT_IN.get(role)?.has(action) ?? false) : own.includes(action);
  });
}

/** True where the roles grant `approve`, which means asking for an approval, never deciding one. */
export function mayRequest(roles: readonly string[], allowedActions: AllowedActions): boolean {
  return isAllowed("approve", roles, allowedActions);
}
