/**
 * The control protocol without its sockets: bytes go in and messages come out, messages go in and frames come out. Client
 * and server do the same, but for which of them sends its nonce first.
 *
 *     each way   nonce (24) │ frame │ frame │ …
 *     frame      length (2, big-endian) │ tag (16) │ encrypted text (length - 16)
 *                                       └─ NaCl secretbox, XSalsa20-Poly1305 ──┘
 *
 *     the nonce under which A encrypts for B
 *                0           4                         12                        24
 *                │  counter  │                          │                         │
 *                └── the first 12 bytes of B's nonce ───┴─ the last 12 of A's own ┘
 *
 * The counter, big-endian, begins as what stands there and goes up by one after each message, wrapping; each way has its
 * own. A frame that is repeated, left out or moved therefore does not authenticate.
 */
import nacl from "tweetnacl";

import { ByteQueue } from "../net/byte-queue.ts";
import { type ByteString, fromBytes } from "../text/byte-string.ts";

const LENGTH_SIZE = 2;
const NONCE_SIZE = nacl.secretbox.nonceLength;
const FROM_PEER = 12;
const TAG_SIZE = nacl.secretbox.overheadLength;

/** Bytes of the longest frame: its length has two bytes. */
export const LARGEST_FRAME = LENGTH_SIZE + 0xffff;

/** Bytes of the longest message. */
export const LARGEST_MESSAGE = 0xffff - TAG_SIZE;

/** Bytes of an error, its traceback included, that is kept when what was printed before it is cut. */
const LONGEST_KEPT_ERROR = 16 * 1024;

/** What a peer sent breaks the protocol, or what is to be sent would, or the connection has failed. */
export class ControlError extends Error {
  override readonly name = "ControlError";
}

export class ControlSession {
  private readonly incoming = new ByteQueue();
  private nonces: { sending: Uint8Array; receiving: Uint8Array } | undefined;
  private taken = 0;

  /**
   * @param key 32 bytes
   * @param nonce 24 bytes that this end sends before its first frame; must never be used twice with one key
   */
  constructor(
    private readonly key: Uint8Array,
    readonly nonce: Uint8Array = nacl.randomBytes(NONCE_SIZE),
  ) {}

  /** The peer's nonce has come: messages can be sent. */
  get ready(): boolean {
    return this.nonces !== undefined;
  }

  /** Messages that have come in. */
  get received(): number {
    return this.taken;
  }

  /** Bytes that have come in and not been taken as a message. */
  get pending(): number {
    return this.incoming.length;
  }

  /** Adds bytes of the peer, in any pieces. Bounding {@link pending} is up to who reads them. */
  push(bytes: Uint8Array): void {
    this.incoming.push(bytes);
    if (this.nonces || this.incoming.length < NONCE_SIZE) return;
    const peer = this.incoming.peek(NONCE_SIZE);
    this.nonces = { sending: firstNonce(this.nonce, peer), receiving: firstNonce(peer, this.nonce) };
    this.incoming.drop(NONCE_SIZE);
  }

  /**
   * The next message, undefined as long as it is not complete.
   * @throws {ControlError} when the stream cannot be read on: it must be closed
   */
  next(): ByteString | undefined {
    if (!this.nonces || this.incoming.length < LENGTH_SIZE) return undefined;
    const length = readLength(this.incoming.peek(LENGTH_SIZE));
    if (length < TAG_SIZE) {
      throw new ControlError(`message ${this.taken + 1} has a length of ${length} bytes, but the least is ${TAG_SIZE}`);
    }
    if (this.incoming.length < LENGTH_SIZE + length) return undefined;
    const box = this.incoming.peek(LENGTH_SIZE + length).subarray(LENGTH_SIZE);
    const text = nacl.secretbox.open(box, this.nonces.receiving, this.key);
    if (!text) throw new ControlError(`message ${this.taken + 1} does not authenticate`);
    this.incoming.drop(LENGTH_SIZE + length);
    increment(this.nonces.receiving);
    this.taken++;
    return fromBytes(text);
  }

  /**
   * The frame of a message, which must be sent: the next one counts on it.
   * @throws {ControlError} when the message is too long, or before the session is {@link ready}
   */
  seal(message: ByteString): Uint8Array {
    if (!this.nonces) throw new ControlError("a message cannot be sent before the peer's nonce has come");
    if (message.length > LARGEST_MESSAGE) {
      throw new ControlError(`a message of ${message.length} bytes is too long: the most is ${LARGEST_MESSAGE}`);
    }
    const box = nacl.secretbox(Buffer.from(message, "latin1"), this.nonces.sending, this.key);
    increment(this.nonces.sending);
    const frame = new Uint8Array(LENGTH_SIZE + box.length);
    frame.set([box.length >> 8, box.length & 0xff]);
    frame.set(box, LENGTH_SIZE);
    return frame;
  }
}

/**
 * The answer, or as much of it as a message holds: cut between two characters, and its last line says what is missing. An
 * error that ends it is kept, for by that a script knows that its chunk failed.
 */
export function cutToMessage(answer: ByteString): ByteString {
  if (answer.length <= LARGEST_MESSAGE) return answer;
  const note = (missing: number): string =>
    `\n(cut: ${missing} bytes are missing, an answer holds ${LARGEST_MESSAGE} bytes)\n`;
  const start = answer.lastIndexOf("\nError: ");
  const error = start < 0 || answer.length - start > LONGEST_KEPT_ERROR ? "" : answer.slice(start);
  const room = LARGEST_MESSAGE - note(answer.length).length - error.length;
  let end = room;
  // A character of UTF-8 has at most three bytes after its first. What is not UTF-8 may have more, and is cut anywhere.
  while (end > room - 3 && isContinuation(answer.charCodeAt(end))) end--;
  return `${answer.slice(0, end)}${error}${note(answer.length - end - error.length)}` as ByteString;
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

const readLength = (bytes: Uint8Array): number => (bytes[0]! << 8) | bytes[1]!;

function firstNonce(sender: Uint8Array, receiver: Uint8Array): Uint8Array {
  const nonce = Uint8Array.from(sender);
  nonce.set(receiver.subarray(0, FROM_PEER));
  return nonce;
}

function increment(nonce: Uint8Array): void {
  const counter = new DataView(nonce.buffer, nonce.byteOffset);
  counter.setUint32(0, counter.getUint32(0) + 1);
}
