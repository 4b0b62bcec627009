/**
 * Kafka's REST proxy (https://docs.confluent.io/platform/current/kafka-rest/api.html, version 2): what it takes, and what it
 * answers. A record that Kafka did not take has an error in an answer of 200.
 */
import { isUtf8 } from "node:buffer";

import { type ByteString, toText } from "../text/byte-string.ts";
import { isObject, type Json, JsonError, parseJson } from "../text/json.ts";

export const KAFKA_TYPE = "application/vnd.kafka.json.v2+json";

/** Why records were not taken, in a few words. */
interface KafkaFailure {
  reason: string;
  /** Whether trying again may help. */
  retriable: boolean;
}

/** Characters of the proxy's own words. */
const LONGEST_MESSAGE = 200;
/** Codes without a class of their own: a retriable error, by the proxy's manual, and a partition that is not known yet. */
const RETRIABLE_CODES = [2, 40403];
/** Timeout, too many requests, and the proxy's or Kafka's own trouble. */
const RETRIABLE_CLASSES = /^(?:408|429|5\d\d)\d\d$/;

/** The proxy takes JSON alone. */
export const isKafkaEvent = (event: ByteString): boolean =>
  parse(event) !== undefined && isUtf8(Buffer.from(event, "latin1"));

/** The body of a request: the event as one record, or as it is when it has a list of `records` already. */
export function kafkaBody(event: ByteString): ByteString {
  const value = parse(event);
  const isWhole = isObject(value) && Array.isArray(value["records" as ByteString]);
  return isWhole ? event : (`{"records":[{"value":${event}}]}` as ByteString);
}

function parse(text: ByteString): Json | undefined {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

/** What an answer says of records that were not taken, or of the whole request; undefined when it says nothing of the kind. */
export function readKafkaAnswer(body: ByteString): KafkaFailure | undefined {
  const answer = parse(body);
  const offsets = isObject(answer) ? answer["offsets" as ByteString] : undefined;
  const failures = [answer, ...(Array.isArray(offsets) ? offsets : [])].flatMap(readFailure);
  // To send the event again would not help when it does not help one of its records.
  return failures.find(({ retriable }) => !retriable) ?? failures[0];
}

/** An object with `error_code` and, in words, `error` or `message`. */
function readFailure(value: Json | undefined): KafkaFailure[] {
  if (!isObject(value)) return [];
  const text = (key: string): string => {
    const found = value[key as ByteString];
    return typeof found === "string" ? toText(found) : "";
  };
  const code = value["error_code" as ByteString];
  const message = (text("error") || text("message")).slice(0, LONGEST_MESSAGE);
  if (typeof code !== "number") return [];
  const retriable = RETRIABLE_CODES.includes(code) || RETRIABLE_CLASSES.test(String(code));
  return [{ reason: `Kafka error ${code}${message && `: ${message}`}`, retriable }];
}
