/** The reason in the SDK's nested transport errors, as one short clause for people. */

const KNOWN: readonly (readonly [RegExp, string])[] = [
  [/InvalidContentType|received corrupt message/i, "what answers there does not speak TLS"],
  [/h2 protocol error|http2 error|FRAME_SIZE_ERROR/i, "what answers there does not speak gRPC"],
  [/UnknownIssuer/, "its certificate is of an issuer that is not trusted"],
  [/NotValidForName/, "its certificate is for another name"],
  [/Expired/, "its certificate has expired"],
  [/CertificateRequired/, "it wants a client certificate"],
];

/** Cuts `tonic::transport::Error(…)` down to what the system said; any other text stays as it is. */
export function transportCause(text: string): string {
  if (!text.includes("tonic::")) return text;
  const known = KNOWN.find(([pattern]) => pattern.test(text));
  if (known !== undefined) return known[1];
  const said = [...text.matchAll(/(?:message|error): "([^"]+)"/g)].at(-1)?.[1];
  return said === undefined ? text : said.charAt(0).toLowerCase() + said.slice(1);
}
