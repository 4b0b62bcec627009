/** User agents without a regexes file: ua-parser-js, whose words are its own (`Mac OS`, where uap-core has `Mac OS X`). */
import { UAParser } from "ua-parser-js";

import { UNKNOWN_FAMILY, type UserAgent } from "./user-agent.ts";

export function parseUserAgentBundled(text: string): UserAgent {
  const parser = new UAParser(text);
  const { vendor = "", model = "" } = parser.getDevice();
  return {
    device: { family: model || UNKNOWN_FAMILY, brand: vendor, model },
    os: versioned(parser.getOS()),
    browser: versioned(parser.getBrowser()),
  };
}

function versioned({ name, version }: { name: string | undefined; version: string | undefined }): UserAgent["os"] {
  const [major = "", minor = ""] = (version ?? "").split(".");
  return { family: name || UNKNOWN_FAMILY, major, minor };
}
