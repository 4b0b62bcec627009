/** The key that console and daemon share: 32 bytes, written in base64. */
import { randomBytes } from "node:crypto";

export const KEY_BYTES = 32;

export const createKey = (): Uint8Array => new Uint8Array(randomBytes(KEY_BYTES));

export const formatKey = (key: Uint8Array): string => Buffer.from(key).toString("base64");

/** The configuration line of a new key. */
export const keyLine = (): string => `setKey("${formatKey(createKey())}")`;

/** @returns undefined for what is not the base64, strictly, of 32 bytes */
export function parseKey(text: string): Uint8Array | undefined {
  const key = Buffer.from(text, "base64");
  return key.length === KEY_BYTES && key.toString("base64") === text ? new Uint8Array(key) : undefined;
}
