/** The IMAP ID string (RFC 2971): quoted keys, each followed by a quoted value or NIL. */
import type { ByteString } from "../text/byte-string.ts";

const TOKEN = /"((?:[^"\\]|\\.)*)"|\bNIL\b/gis;
const VERSION = /^(\d+)\.(\d+)/;

/** A part that the string does not tell is empty, and so are versions that do not begin with two numbers. */
export function parseImapId(id: ByteString): Record<string, string> {
  const fields = readFields(id);
  const [, major = "", minor = ""] = VERSION.exec(fields.get("version") ?? "") ?? [];
  const [, osMajor = "", osMinor = ""] = VERSION.exec(fields.get("os-version") ?? "") ?? [];
  return {
    "imapc.family": fields.get("name") ?? "",
    "imapc.major": major,
    "imapc.minor": minor,
    "os.family": fields.get("os") ?? "",
    "os.major": osMajor,
    "os.minor": osMinor,
  };
}

/** Names are without regard to case; of a name that comes twice the first counts. */
function readFields(id: ByteString): Map<string, string> {
  const tokens = Array.from(id.matchAll(TOKEN), ([, quoted]) => quoted?.replace(/\\(.)/gs, "$1"));
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < tokens.length; i += 2) {
    const name = tokens[i]?.toLowerCase();
    if (name !== undefined && !fields.has(name)) fields.set(name, tokens[i + 1] ?? "");
  }
  return fields;
}
