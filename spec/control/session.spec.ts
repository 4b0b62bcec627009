import { describe, expect, test } from "bun:test";

import nacl from "tweetnacl";

import { ControlError, ControlSession, cutToMessage, LARGEST_MESSAGE } from "../../lib/control/session.ts";
import { type ByteString, toByteString, toText } from "../../lib/text/byte-string.ts";
import { ANSWERS, CHUNKS, CLIENT_NONCE, KEY, SERVER_NONCE } from "../support/golden-control.ts";
import { property } from "../support/random.ts";

const bytes = (text: string): ByteString => toByteString(text);

/** Two ends that know each other's nonces. */
function pair({ keys = [KEY, KEY], nonces = [CLIENT_NONCE, SERVER_NONCE] } = {}): [ControlSession, ControlSession] {
  const [client, server] = [new ControlSession(keys[0]!, nonces[0]), new ControlSession(keys[1]!, nonces[1])];
  client.push(server.nonce);
  server.push(client.nonce);
  return [client, server];
}

/** Every message that can be taken. */
function takeAll(session: ControlSession): ByteString[] {
  const messages: ByteString[] = [];
  for (let message; (message = session.next()) !== undefined;) messages.push(message);
  return messages;
}

function failure(act: () => unknown): ControlError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(ControlError);
    return error as ControlError;
  }
  throw new Error("it did not fail");
}

describe("the recorded session", () => {
  test("each frame of the client, byte for byte, and each answer", () => {
    const client = new ControlSession(KEY, CLIENT_NONCE);
    client.push(SERVER_NONCE);
    for (const [i, { frame, text }] of CHUNKS.entries()) {
      expect(client.seal(text)).toEqual(frame);
      client.push(ANSWERS[i]!.frame);
      expect(client.next()).toBe(ANSWERS[i]!.text);
    }
  });

  test("each frame of the server, byte for byte, and each chunk", () => {
    const server = new ControlSession(KEY, SERVER_NONCE);
    server.push(CLIENT_NONCE);
    for (const [i, { frame, text }] of ANSWERS.entries()) {
      server.push(CHUNKS[i]!.frame);
      expect(server.next()).toBe(CHUNKS[i]!.text);
      expect(server.seal(text)).toEqual(frame);
    }
  });

  test("each nonce is the one that libsodium opens the frame with", () => {
    const [client, server] = pair();
    const directions: [ControlSession, typeof CHUNKS][] = [
      [client, CHUNKS],
      [server, ANSWERS],
    ];
    for (const [sender, messages] of directions) {
      for (const { nonce, text } of messages) {
        const opened = nacl.secretbox.open(sender.seal(text).subarray(2), Buffer.from(nonce, "hex"), KEY);
        expect(opened && Buffer.from(opened).toString("latin1")).toBe(text);
      }
    }
  });
});

test("the counter wraps from 0xffffffff to 0 and touches nothing else", () => {
  const serverNonce = Uint8Array.from(SERVER_NONCE).fill(0xff, 0, 4);
  const [client] = pair({ nonces: [CLIENT_NONCE, serverNonce] });
  const tail = Buffer.concat([serverNonce.subarray(4, 12), CLIENT_NONCE.subarray(12)]).toString("hex");
  for (const counter of ["ffffffff", "00000000", "00000001"]) {
    const opened = nacl.secretbox.open(client.seal(bytes("x")).subarray(2), Buffer.from(counter + tail, "hex"), KEY);
    expect(opened).toEqual(Uint8Array.of(0x78));
  }
});

test("nonces are drawn at random", () => {
  const nonces = Array.from({ length: 100 }, () => Buffer.from(new ControlSession(KEY).nonce).toString("hex"));
  expect(new Set(nonces).size).toBe(100);
  expect(nonces[0]).toHaveLength(48);
});

describe("pieces", () => {
  property("any split of a stream gives the same messages", 30, (random) => {
    const messages = random.list(12, () => bytes(random.text(random.pick([0, 1, 40, 4000]))));
    const [client] = pair();
    const stream = Buffer.concat([CLIENT_NONCE, ...messages.map((message) => client.seal(message))]);
    const server = new ControlSession(KEY, SERVER_NONCE);
    const received: ByteString[] = [];
    for (let at = 0; at < stream.length;) {
      const size = 1 + random.below(random.pick([1, 30, 5000]));
      server.push(stream.subarray(at, at + size));
      if (random.chance(0.5)) received.push(...takeAll(server));
      at += size;
    }
    received.push(...takeAll(server));
    expect(received).toEqual(messages);
    expect(server.pending).toBe(0);
  });

  test("the longest message in single bytes", () => {
    const [client, server] = pair();
    const message = "\xff".repeat(LARGEST_MESSAGE) as ByteString;
    for (const byte of client.seal(message)) {
      expect(server.next()).toBeUndefined();
      server.push(Uint8Array.of(byte));
    }
    expect(server.next()).toBe(message);
  });

  test("a thousand messages at once", () => {
    const [client, server] = pair();
    const messages = Array.from({ length: 1000 }, (_, i) => bytes(`return ${i}`));
    server.push(Buffer.concat(messages.map((message) => client.seal(message))));
    expect(takeAll(server)).toEqual(messages);
    expect(server.received).toBe(1000);
  });

  test("the caller may use its buffer again", () => {
    const [client, server] = pair();
    const frame = client.seal(bytes("stats()"));
    server.push(frame);
    frame.fill(0);
    expect(server.next()).toBe(bytes("stats()"));
  });
});

describe("what breaks the protocol", () => {
  test.each([0, 1, 15])("a length of %d", (length) => {
    const [, server] = pair();
    server.push(Uint8Array.of(0, length));
    const said = `message 1 has a length of ${length} bytes, but the least is 16`;
    expect(failure(() => server.next()).message).toBe(said);
    expect(failure(() => server.next()).message).toBe(said);
  });

  test.each([16, 65_535])("a length of %d whose box is zeros", (length) => {
    const [, server] = pair();
    server.push(Uint8Array.of(length >> 8, length & 0xff));
    server.push(new Uint8Array(length - 1));
    expect(server.next()).toBeUndefined();
    server.push(new Uint8Array(1));
    expect(failure(() => server.next()).message).toBe("message 1 does not authenticate");
  });

  test("another key", () => {
    const [client, server] = pair({ keys: [KEY, Uint8Array.from(KEY).fill(0, 31)] });
    server.push(client.seal(bytes("stats()")));
    expect(failure(() => server.next()).message).toBe("message 1 does not authenticate");
  });

  test("a frame that is sent twice, left out, or sent back", () => {
    const [client, server] = pair();
    const [first, second] = [client.seal(bytes("one")), client.seal(bytes("two"))];
    server.push(Buffer.concat([first, first]));
    expect(server.next()).toBe(bytes("one"));
    expect(failure(() => server.next()).message).toBe("message 2 does not authenticate");

    const [, other] = pair();
    other.push(second);
    expect(failure(() => other.next()).message).toBe("message 1 does not authenticate");

    client.push(first);
    expect(failure(() => client.next()).message).toBe("message 1 does not authenticate");
  });

  property("a changed bit", 20, (random) => {
    const [client, server] = pair();
    const frame = client.seal(bytes(random.text(100)));
    frame[2 + random.below(frame.length - 2)]! ^= 1 << random.below(8);
    server.push(frame);
    expect(failure(() => server.next()).message).toBe("message 1 does not authenticate");
  });

  property("random bytes", 20, (random) => {
    const server = new ControlSession(KEY, SERVER_NONCE);
    server.push(random.bytes(200_000));
    failure(() => takeAll(server));
  });

  test("sending too much, or too early", () => {
    const [client, server] = pair();
    const longest = "x".repeat(LARGEST_MESSAGE) as ByteString;
    expect(failure(() => client.seal(`${longest}x` as ByteString)).message).toBe(
      "a message of 65520 bytes is too long: the most is 65519",
    );
    // A refused message does not count.
    server.push(client.seal(longest));
    expect(server.next()).toBe(longest);
    expect(failure(() => new ControlSession(KEY).seal(longest)).message).toContain("before the peer's nonce");
  });
});

describe("an answer that is too long", () => {
  test("one that fits stays as it is", () => {
    const answer = "x".repeat(LARGEST_MESSAGE) as ByteString;
    expect(cutToMessage(answer)).toBe(answer);
  });

  test("is cut, and its last line says how much is missing", () => {
    const answer = "x".repeat(LARGEST_MESSAGE + 1) as ByteString;
    const cut = cutToMessage(answer);
    expect(cut.length).toBeLessThanOrEqual(LARGEST_MESSAGE);
    const [, kept, missing] = /^(x+)\n\(cut: (\d+) bytes are missing, an answer holds 65519 bytes\)\n$/.exec(cut)!;
    expect(kept!.length + Number(missing)).toBe(answer.length);
  });

  property("is cut between two characters", 20, (random) => {
    const character = random.pick(["é", "€", "😀"]);
    const text = "a".repeat(random.below(5)) + character.repeat(70_000 / random.pick([1, 2]));
    const cut = cutToMessage(bytes(text));
    expect(cut.length).toBeLessThanOrEqual(LARGEST_MESSAGE);
    expect(cut.length).toBeGreaterThan(LARGEST_MESSAGE - 10);
    const kept = toText(cut).split("\n")[0]!;
    expect(text.startsWith(kept)).toBe(true);
    expect(toText(cut)).toContain(`(cut: ${bytes(text).length - bytes(kept).length} bytes are missing`);
  });

  test("keeps an error that ends it", () => {
    const printed = "x".repeat(LARGEST_MESSAGE);
    const cut = cutToMessage(bytes(`${printed}\nError: no\nstack traceback:`));
    expect(cut.length).toBeLessThanOrEqual(LARGEST_MESSAGE);
    const [, kept, missing] = /^(x+)\nError: no\nstack traceback:\n\(cut: (\d+) bytes are missing/.exec(cut)!;
    expect(kept!.length + Number(missing)).toBe(printed.length);
  });

  test("is cut anywhere when it is not UTF-8", () => {
    const cut = cutToMessage("\x80".repeat(200_000) as ByteString);
    expect(cut.length).toBeGreaterThan(LARGEST_MESSAGE - 10);
  });
});
