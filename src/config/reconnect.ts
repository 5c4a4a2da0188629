/** How soon a gRPC connection dials again: gRPC's own ceiling is two minutes, which would outlast most outages. */
export const RECONNECT = {
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 500,
} as const;
