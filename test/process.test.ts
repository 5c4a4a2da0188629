import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { transportCause } from "../src/process/transport-cause.ts";
import { startProcess } from "./support/processes.ts";
import { startStack } from "./support/stack.ts";
import { until } from "./support/until.ts";

describe("the cause of an unreachable Temporal", () => {
  const refused = `tonic::transport::Error(Transport, ConnectError(ConnectError("tcp connect error", 127.0.0.1:1, Os { code: 111, kind: ConnectionRefused, message: "Connection refused" })))`;
  const unknown = `tonic::transport::Error(Transport, ConnectError(ConnectError("dns error", Custom { kind: Uncategorized, error: "failed to lookup address information: Name or service not known" })))`;
  const noTls =
    "tonic::transport::Error(Transport, ConnectError(Custom { kind: InvalidData, error: InvalidMessage(InvalidContentType) }))";
  const noGrpc = `Failed to call GetSystemInfo: code: 'Unknown error', message: "h2 protocol error: http2 error", source: tonic::transport::Error(Transport, hyper::Error(Http2, Error { kind: GoAway(b"", FRAME_SIZE_ERROR, Library) }))`;
  const cases: readonly (readonly [string, string])[] = [
    [refused, "connection refused"],
    [unknown, "failed to lookup address information: Name or service not known"],
    [noTls, "what answers there does not speak TLS"],
    [noGrpc, "what answers there does not speak gRPC"],
    ["tonic::transport::Error(Transport, Other)", "tonic::transport::Error(Transport, Other)"],
    ["deadline exceeded", "deadline exceeded"],
  ];
  for (const [text, cause] of cases)
    test(`is told in a few words: ${cause}`, () => assert.equal(transportCause(text), cause));
});

test("a worker and a bridge with a namespace that Temporal does not have say so in one line, and wait", async () => {
  const stack = await startStack({ env: { TEMPORAL_NAMESPACE: "no-such-namespace" } });
  try {
    await until(
      "two lines about the namespace",
      () => stack.log.filter((line) => line.includes("no-such-namespace")).length === 2,
    );
    const line = JSON.parse(stack.log[0] ?? "{}") as { problem: string };
    assert.equal(
      line.problem,
      `Temporal at ${stack.config.temporal.address} has no namespace "no-such-namespace"; create it, or set TEMPORAL_NAMESPACE`,
    );
  } finally {
    await stack.stop();
  }
});

for (const name of ["worker", "bridge"] as const) {
  test(`a ${name} that is told to stop while it starts ends in good order`, async (t) => {
    const stack = await startStack({ worker: false, bridge: false });
    t.after(() => stack.stop());
    const part = startProcess(t, name, stack.env);
    // Its settings are read, and Temporal's runtime is not yet there: one without a connection once kept the process alive.
    await until("its first line", () => part.stderr().includes(`countersign ${name} `));
    part.send("SIGTERM");
    const { code } = await part.exited;
    assert.equal(code, 0, part.stderr());
  });
}
