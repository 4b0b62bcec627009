/** Whether an event is about somebody. */
import { type ByteString, fromBytes } from "../text/byte-string.ts";
import { type Json, parseJson } from "../text/json.ts";

/** In JSON a name is a whole text, whatever its escapes; what is no JSON mentions all that it holds. */
export function mentions(body: Buffer, names: readonly ByteString[]): boolean {
  const text = fromBytes(body);
  const isThere = names.some((name) => text.includes(name));
  // An escape can hide it.
  if (!isThere && !text.includes("\\")) return false;
  let parsed: Json;
  try {
    parsed = parseJson(text);
  } catch {
    return isThere;
  }
  // Not by recursion: a policy may have sent anything.
  const values: Json[] = [parsed];
  for (let value = values.pop(); value !== undefined; value = values.pop()) {
    if (typeof value === "string" && names.includes(value)) return true;
    if (typeof value === "object" && value !== null) for (const one of Object.values(value)) values.push(one);
  }
  return false;
}
