/** No secret leaves an activity in words: what it throws, and the error texts that it returns, stand in Temporal's history. */
import type { ActivityInterceptorsFactory } from "@temporalio/worker";
import { redact } from "../domain/redact.ts";

const CAUSES = 8;

/** For `interceptors.activity` of a worker. Redacts messages and stacks of what is thrown, and `error` of what is returned. */
export function redactFailures(secrets: readonly string[]): ActivityInterceptorsFactory {
  return () => ({
    inbound: {
      async execute(input, next) {
        try {
          return withoutSecrets(await next(input), secrets);
        } catch (error) {
          clean(error, secrets);
          throw error;
        }
      },
    },
  });
}

function withoutSecrets(result: unknown, secrets: readonly string[]): unknown {
  if (typeof result !== "object" || result === null || !("error" in result)) return result;
  return typeof result.error === "string" ? { ...result, error: redact(result.error, secrets) } : result;
}

/** In place: a failure's class decides whether it is tried again. */
function clean(thrown: unknown, secrets: readonly string[]): void {
  let error = thrown;
  for (let depth = 0; depth < CAUSES && error instanceof Error; depth++) {
    error.message = redact(error.message, secrets);
    if (error.stack !== undefined) error.stack = redact(error.stack, secrets);
    error = error.cause;
  }
}
