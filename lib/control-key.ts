/** The key of the console: 32 random bytes, written as the configuration takes it. */
import { randomBytes } from "node:crypto";

/** Bytes of a NaCl secretbox key. */
const KEY_BYTES = 32;

/** `setKey("…")` with a new key in base64. */
export const keyLine = (): string => `setKey("${randomBytes(KEY_BYTES).toString("base64")}")`;
