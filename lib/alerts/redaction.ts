/** Alerts without whom they are about: keyed hashes, by which one is known again but not found out. */
import type { AlertRecord } from "../history/alert-record.ts";
import type { ByteString } from "../text/byte-string.ts";
import { messageOf } from "./alert.ts";

/** What the key is for: the console's own is not used as it is. */
const PURPOSE = "trackalert: redaction of alerts";
/** Characters of a hash, in hex. */
const LENGTH = 16;

/** @param key of the console */
export const redactionKey = (key: Uint8Array): Buffer => new Bun.CryptoHasher("sha256", key).update(PURPOSE).digest();

/** A login or address as a hash. */
export const redactedName = (name: ByteString, key: Buffer): ByteString =>
  new Bun.CryptoHasher("sha256", key)
    .update(Buffer.from(name, "latin1"))
    .digest("hex")
    .slice(0, LENGTH) as string as ByteString;

/** The same alert with hashes for login and remote, a message of its own, and no evidence. */
export function redact(alert: AlertRecord, key: Buffer): AlertRecord {
  const hash = (text: ByteString | null): ByteString | null => (text === null ? null : redactedName(text, key));
  const [login, remote] = [hash(alert.login), hash(alert.remote)];
  const message = messageOf({
    type: alert.type,
    login: login ?? undefined,
    remote: remote ?? undefined,
    message: undefined,
  });
  return { ...alert, login, remote, message, evidence: null };
}
