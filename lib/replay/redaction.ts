/**
 * Takes out of recorded reports who they are about: password hashes go, logins and addresses become keyed hashes. The same
 * login or address always becomes the same hash, and an address stays in its family, so that policies count as before.
 * What the other fields of a report say, such as attributes, device and session ids, is left as it is; fields that no
 * policy sees are left out.
 */
import { randomBytes } from "node:crypto";

import { type Address, formatAddress } from "../address/address.ts";
import type { ByteString } from "../text/byte-string.ts";
import type { Json, JsonObject } from "../text/json.ts";

/** Rounds of the Feistel network: with 4 it is as good as a random permutation (Luby and Rackoff). */
const ROUNDS = 4;
/** The other fields of a report that policies see, without the password hash. */
const KEPT: readonly string[] = [
  "t",
  "success",
  "policy_reject",
  "fail_type",
  "protocol",
  "tls",
  "device_id",
  "device_attrs",
  "session_id",
  "attrs",
];
/** Base64 characters of a login's hash: 96 bits, which never meet by chance. */
const LOGIN_LENGTH = 16;

export class Redaction {
  /** Never written anywhere: when the program has ended, nobody can tell who a hash was, nor continue the same hashes. */
  private readonly key = randomBytes(32);

  /** @param remote as it was read from the report */
  redact(report: JsonObject, remote: Address): JsonObject {
    const kept = Object.entries(report).flatMap(([name, value]): [string, Json][] => {
      if (name === "login") return typeof value === "string" ? [[name, this.login(value as ByteString)]] : [];
      if (name === "remote") return [[name, formatAddress(this.address(remote.bytes)) as ByteString]];
      return KEPT.includes(name) ? [[name, value]] : [];
    });
    return Object.fromEntries(kept);
  }

  /** No login stays none. */
  private login(login: ByteString): ByteString {
    if (login === "") return login;
    return this.hash("login", login).toString("base64url").slice(0, LOGIN_LENGTH) as ByteString;
  }

  /** The unset address stays what it is. IPv6 goes to the private range fd00::/8, 120 bits. */
  private address(bytes: ByteString): ByteString {
    if (/^\0+$/.test(bytes)) return bytes;
    if (bytes.length === 4) return this.permute(bytes);
    return `\xfd${this.hash("ipv6", bytes).toString("latin1", 0, 15)}` as ByteString;
  }

  /** 32 bits are too few for a hash: of 80,000 addresses two would meet. A permutation keeps all apart. */
  private permute(bytes: ByteString): ByteString {
    const buffer = Buffer.from(bytes, "latin1");
    let [left, right] = [buffer.readUInt16BE(0), buffer.readUInt16BE(2)];
    for (let round = 0; round < ROUNDS; round++) {
      [left, right] = [right, left ^ this.hash(`ipv4 ${round}`, String(right)).readUInt16BE(0)];
    }
    buffer.writeUInt16BE(left, 0);
    buffer.writeUInt16BE(right, 2);
    return buffer.toString("latin1") as ByteString;
  }

  private hash(purpose: string, text: string): Buffer {
    const hmac = new Bun.CryptoHasher("sha256", this.key);
    return hmac.update(`${purpose}\0`).update(Buffer.from(text, "latin1")).digest() as Buffer;
  }
}
