/** The recorded session of fixtures/golden/control.json, as bytes. */
import golden from "../../fixtures/golden/control.json";
import { type ByteString, toByteString } from "../../lib/text/byte-string.ts";

interface GoldenMessage {
  nonce: string;
  frame: Uint8Array;
  text: ByteString;
}

const messages = (side: typeof golden.client_to_server): GoldenMessage[] =>
  side.map(({ nonce, length, box, text }) => ({
    nonce,
    frame: new Uint8Array(Buffer.concat([Buffer.from([length >> 8, length & 0xff]), Buffer.from(box, "hex")])),
    text: toByteString(text),
  }));

export const KEY = new Uint8Array(Buffer.from(golden.key, "base64"));
export const CLIENT_NONCE = new Uint8Array(Buffer.from(golden.client_nonce, "hex"));
export const SERVER_NONCE = new Uint8Array(Buffer.from(golden.server_nonce, "hex"));
export const CHUNKS = messages(golden.client_to_server);
export const ANSWERS = messages(golden.server_to_client);
