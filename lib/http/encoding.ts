/** Which encoding of an answer a client wants: RFC 9110, sections 12.4.2 and 12.5.3. */

/** Whether gzip is acceptable and no less welcome than the answer as it is. Without a header nothing is asked for. */
export function prefersGzip(header: string | null): boolean {
  const weights = new Map<string, number>();
  for (const item of (header ?? "").toLowerCase().split(",")) {
    const [coding, ...parameters] = item.split(";").map((part) => part.trim());
    weights.set(coding!, weightOf(parameters));
  }
  const gzip = weights.get("gzip") ?? weights.get("x-gzip") ?? weights.get("*") ?? 0;
  return gzip > 0 && gzip >= (weights.get("identity") ?? 0);
}

/** The `q` of an item, 1 unless given; one that is no weight refuses. */
function weightOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => /^q *=/.test(parameter));
  if (given === undefined) return 1;
  const weight = given.slice(given.indexOf("=") + 1).trim();
  return /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(weight) ? Number(weight) : 0;
}
