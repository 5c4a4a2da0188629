/** What Node says went wrong on a connection, in one short line. With several addresses Node's own message is empty, and the first of theirs counts. */
export function causeText(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const text = first instanceof Error ? first.message : String(first);
  return text.split("\n", 1)[0]?.slice(0, 200) || "the connection failed";
}
