/**
 * Who may talk to the daemon: the ACL on the peer's address, then HTTP basic authentication.
 *
 * Senders of reports are few and send many, so verdicts on peers and accepted credentials are remembered.
 */
import { createHash, timingSafeEqual } from "node:crypto";

import { parseAddress, unmapAddress } from "../address/address.ts";
import { NetmaskGroup } from "../address/netmask-group.ts";
import type { Config } from "../config.ts";
import { type ByteString, fromBytes } from "../text/byte-string.ts";

/** Verdicts kept; when there are more, all are forgotten. */
const MOST_REMEMBERED = 1000;
/** Characters of a header that is kept: user names may be long, and senders' are not. */
const LONGEST_REMEMBERED = 512;

export class Access {
  private acl: readonly string[] = [];
  private group = new NetmaskGroup();
  private peers = new Map<string, boolean>();
  private password: ByteString | undefined;
  private credentials = new Set<string>();

  /** The configuration is asked each time: it may be changed while the daemon runs. */
  constructor(private readonly config: Config) {}

  /** Whether the ACL admits a peer, given as Bun names it: an IP address, IPv4 perhaps mapped into IPv6. */
  admits(peer: string): boolean {
    if (this.acl !== this.config.acl) this.compileAcl();
    const known = this.peers.get(peer);
    if (known !== undefined) return known;
    const address = parseAddress(peer);
    const verdict = address !== undefined && this.group.match(unmapAddress(address.bytes));
    if (this.peers.size >= MOST_REMEMBERED) this.peers.clear();
    this.peers.set(peer, verdict);
    return verdict;
  }

  /** Whether an `Authorization` header carries the password, with any user name. Without a password nothing does. */
  authorizes(header: string | null): boolean {
    const { webserverPassword } = this.config;
    if (this.password !== webserverPassword) {
      this.password = webserverPassword;
      this.credentials.clear();
    }
    if (header === null || !webserverPassword) return false;
    // By hash: how long the look-up takes says nothing about the characters of a remembered header.
    if (this.credentials.has(header)) return true;
    const offered = readPassword(header);
    if (offered === undefined || !equalInConstantTime(offered, webserverPassword)) return false;
    if (header.length > LONGEST_REMEMBERED) return true;
    if (this.credentials.size >= MOST_REMEMBERED) this.credentials.clear();
    this.credentials.add(header);
    return true;
  }

  private compileAcl(): void {
    this.acl = this.config.acl;
    this.group = new NetmaskGroup();
    for (const mask of this.acl) this.group.add(mask);
    this.peers.clear();
  }
}

/** The password of `Basic <base64 of user:password>`, as its bytes: what follows the first colon. */
function readPassword(header: string): ByteString | undefined {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const credentials = fromBytes(Buffer.from(encoded, "base64"));
  const colon = credentials.indexOf(":");
  return colon < 0 ? undefined : (credentials.slice(colon + 1) as ByteString);
}

/** Compares digests, which have one length: neither content nor length shows in the time. */
const equalInConstantTime = (a: ByteString, b: ByteString): boolean => timingSafeEqual(digest(a), digest(b));

const digest = (bytes: ByteString): Buffer => createHash("sha256").update(bytes, "latin1").digest();
