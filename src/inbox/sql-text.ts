/**
 * Any JavaScript string as text that PostgreSQL takes, and back. It refuses U+0000 and half characters, which a request may
 * hold; a person must see exactly what was asked. Those stand as U+E000 and four hex digits, and so does U+E000 itself.
 */

const NOT_STORABLE = /[\0\ue000\p{Surrogate}]/gu;
const STORED = /\ue000([0-9a-f]{4})/g;

export function toSqlText(text: string): string {
  return text.replace(NOT_STORABLE, (unit) => `\ue000${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function fromSqlText(text: string): string {
  return text.replace(STORED, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
