/** What a failed call to Temporal means to whoever runs the process. */
import { isGrpcServiceError } from "@temporalio/client";
import type { Config } from "../config.ts";
import { temporalCause } from "../client/temporal-faults.ts";
import { ApprovalError } from "../domain/errors.ts";
import { transportCause } from "./transport-cause.ts";

/** One line with the remedy for what waiting may mend. Throws ERR_CONFIG for TLS files and addresses that it cannot. */
export function temporalTrouble(error: unknown, { address, namespace }: Config["temporal"]): string {
  const cause = transportCause(temporalCause(error));
  if (error instanceof TypeError || /invalid (url|uri)|certificate file|PEM/i.test(cause)) {
    throw new ApprovalError(
      "ERR_CONFIG",
      `The connection to Temporal at ${address} cannot be set up: ${cause}; check TEMPORAL_ADDRESS and TEMPORAL_TLS_*`,
      {
        cause: error,
      },
    );
  }
  if (isGrpcServiceError(error) && error.code === 5) {
    return `Temporal at ${address} has no namespace "${namespace}"; create it, or set TEMPORAL_NAMESPACE`;
  }
  if (isGrpcServiceError(error) && (error.code === 7 || error.code === 16)) {
    return `Temporal at ${address} refused the credentials: ${cause}; check TEMPORAL_API_KEY or the client certificate`;
  }
  return `cannot reach Temporal at ${address}: ${cause}; is the server up, and are TEMPORAL_ADDRESS and TEMPORAL_TLS right?`;
}
