/**
 * Device attributes: what a report's `device_id` says, read as its `protocol` demands. Names and parts are wforce's.
 */
import type { Pairs } from "../login-tuple.ts";
import { type ByteString, copyOf, toByteString, toText } from "../text/byte-string.ts";
import { parseUserAgentBundled } from "./bundled-user-agent.ts";
import { parseImapId } from "./imap-id.ts";
import { parseMobileApp } from "./mobile-app.ts";
import { Recent } from "./recent.ts";
import { parseUserAgent, type UserAgentRules, warmUp } from "./user-agent.ts";

/** Bytes of each kind of device id that are remembered, with what they say: about 20,000 of the usual length. */
const MOST_CACHED = 16 * 1024 ** 2;
/** Bytes that an entry takes beside its texts, roughly. */
const ENTRY = 600;
/**
 * Bytes of a device id that are read; what follows is ignored. Some patterns take time by the square of the length: the
 * worst of uap-core's that was found takes 4 ms at 1 KiB, 10 ms at 2 KiB, and would stall the daemon at 1 MiB. Real ids
 * end before: the longest in uap-core's own suite has 288 bytes.
 */
const LONGEST_READ = 1024;

const NOTHING: Pairs = [];

/** Reads device ids, and remembers those it met last. */
export class DeviceParser {
  private readonly kinds: Map<string, Kind>;

  /** @param rules from a regexes file; without them the bundled ua-parser-js reads user agents */
  constructor(rules?: UserAgentRules) {
    if (rules) warmUp(rules);
    const http = new Kind((id) => readUserAgent(id, rules));
    const imap = new Kind((id) => flatten(parseImapId(id)));
    this.kinds = new Map([
      ["http", http],
      ["https", http],
      ["imap", imap],
      ["imaps", imap],
      ["mobileapi", new Kind((id) => flatten(parseMobileApp(id)))],
    ]);
  }

  /**
   * The attributes by protocol; none for an empty id, and none for other protocols. Names of protocols are exact.
   * @returns a list that the cache keeps: do not change it
   */
  parse(protocol: ByteString, deviceId: ByteString): Pairs {
    return deviceId === "" ? NOTHING : (this.kinds.get(protocol)?.read(deviceId) ?? NOTHING);
  }
}

/** One way to read a device id, behind a cache of its own, which no flood of another kind can empty. */
class Kind {
  private readonly cache = new Recent<ByteString, Pairs>(MOST_CACHED, sizeOf);

  constructor(private readonly parse: (deviceId: ByteString) => Pairs) {}

  read(deviceId: ByteString): Pairs {
    const id = deviceId.slice(0, LONGEST_READ) as ByteString;
    const known = this.cache.get(id);
    if (known) return known;
    const kept = copyOf(id);
    const pairs = this.parse(kept);
    this.cache.add(kept, pairs);
    return pairs;
  }
}

const sizeOf = (id: ByteString, pairs: Pairs): number =>
  pairs.reduce((size, text) => size + text.length, ENTRY + id.length);

const flatten = (attributes: Record<string, string>): Pairs => Object.entries(attributes).flat() as Pairs;

function readUserAgent(id: ByteString, rules: UserAgentRules | undefined): Pairs {
  const text = toText(id);
  const { device, os, browser } = rules ? parseUserAgent(rules, text) : parseUserAgentBundled(text);
  return flatten({
    "device.family": device.family,
    "device.model": device.model,
    "device.brand": device.brand,
    "os.family": os.family,
    "os.major": os.major,
    "os.minor": os.minor,
    "browser.family": browser.family,
    "browser.major": browser.major,
    "browser.minor": browser.minor,
  }).map(toByteString);
}
