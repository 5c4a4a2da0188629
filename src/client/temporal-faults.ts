/** Which Temporal failures pass by themselves, and how they are told. */
import { isGrpcServiceError, WorkflowNotFoundError } from "@temporalio/client";
import { ApprovalError, messageOf } from "../domain/errors.ts";
import { redact } from "../domain/redact.ts";

// https://grpc.io/docs/guides/status-codes: these name a request that will be refused again.
const LASTING = new Set([
  3 /* INVALID_ARGUMENT */, 5 /* NOT_FOUND */, 6 /* ALREADY_EXISTS */, 7 /* PERMISSION_DENIED */,
  9 /* FAILED_PRECONDITION */, 12 /* UNIMPLEMENTED */, 16 /* UNAUTHENTICATED */,
]);

/** True for an outage, which passes; false for a refusal and for every failure that is not one of the network. */
export function isOutage(error: unknown): boolean {
  const code = grpcCode(error);
  return code !== undefined && !LASTING.has(code);
}

/** True where Temporal answered that it knows no such workflow, or only a closed one. */
export function isWorkflowNotFound(error: unknown): boolean {
  return error instanceof WorkflowNotFoundError;
}

/** The short reason of a Temporal failure, without the layers around it. */
export function temporalCause(error: unknown): string {
  const grpc = grpcErrorOf(error);
  const text = grpc?.details || messageOf(error);
  const refused = /connect [A-Z]+ [^\s,(]*[^\s,(.]/.exec(text);
  return refused?.[0] ?? text;
}

/** An ApprovalError ERR_TEMPORAL_UNREACHABLE or ERR_TEMPORAL_REFUSED; an ApprovalError stays what it is. */
export function temporalError(tried: string, address: string, error: unknown): ApprovalError {
  if (error instanceof ApprovalError) return error;
  const cause = redact(temporalCause(error));
  return isOutage(error)
    ? new ApprovalError(
        "ERR_TEMPORAL_UNREACHABLE",
        `${tried}: cannot reach Temporal at ${address} (${cause}); check TEMPORAL_ADDRESS and that the server runs`,
        { cause: error },
      )
    : new ApprovalError(
        "ERR_TEMPORAL_REFUSED",
        `${tried}: Temporal at ${address} refused (${cause}); check TEMPORAL_NAMESPACE, TEMPORAL_API_KEY and TLS`,
        { cause: error },
      );
}

function grpcCode(error: unknown): number | undefined {
  return grpcErrorOf(error)?.code;
}

function grpcErrorOf(error: unknown): { readonly code: number; readonly details: string } | undefined {
  let current = error;
  for (let depth = 0; depth < 4 && current !== undefined && current !== null; depth++) {
    if (isGrpcServiceError(current)) return current;
    current = (current as { cause?: unknown }).cause;
  }
  return undefined;
}
