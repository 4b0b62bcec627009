/** Profiles for policies: learning from successes, what is known of a login, and how unusual a success is. */
import { parseNetmask } from "../../address/address.ts";
import {
  featureProblem,
  type LearntValue,
  MOST_FEATURES,
  type ProfileEntry,
  ValueKind,
} from "../../history/profile.ts";
import { keptText, keptTime } from "../../history/row.ts";
import { type ByteString, toByteString, toText } from "../../text/byte-string.ts";
import type { Call, HostFunction } from "../call.ts";
import { type LuaTable, type LuaValue, typeName } from "../state.ts";
import { type HistoryAccess, list, loginAt, returned, table } from "./history.ts";
import type { WaitingFunction } from "./wait.ts";

/** `history:learn(login, values[, t])`: each value counts once, for the login and for everybody. */
export const historyLearn = ({ clock, history }: HistoryAccess): HostFunction => ({
  name: "learn",
  level: 2,
  body(call) {
    const now = clock.now() / 1000;
    const learnt = { login: loginAt(call), values: valuesAt(call, 2), t: call.has(3) ? call.number(3) : now };
    history().learn({ ...learnt, t: keptTime(learnt.t, now) });
  },
});

/** The methods that wait. They look at what is written behind, so they are never asked beside. */
export function profileQuestions({ history }: HistoryAccess): WaitingFunction[] {
  return [
    {
      name: "known",
      async begin(call) {
        const [login, feature] = [keptText(call.bytes(1)), featureAt(call, 2)];
        if (!call.has(3)) {
          const result = await history().ask({ ask: "known", login, feature }, { beside: false });
          return returned(result, (entries) => list(entries.map(entryTable)));
        }
        const [value] = readValue(call, 3, feature, call.value(3));
        const result = await history().ask({ ask: "known", login, feature, value }, { beside: false });
        return returned(result, ([entry]) => entry && entryTable(entry));
      },
    },
    {
      name: "risk",
      async begin(call) {
        const values = new Map(valuesAt(call, 2).map(([feature, value]) => [feature, value]));
        return returned(await history().risk(loginAt(call), values), (score) => score);
      },
    },
  ];
}

/** A value with how often and when it was seen; one that was learnt as a number is a number. */
export const entryTable = ([value, kind, count, first, last]: ProfileEntry): LuaTable =>
  table({ value: kind === ValueKind.number ? Number(value) : value, count, first, last });

function featureAt(call: Call, position: number): ByteString {
  const feature = call.bytes(position);
  const problem = featureProblem(feature);
  if (problem) throw call.wrong(position, problem);
  return feature;
}

/** A table of features and their values. */
function valuesAt(call: Call, position: number): LearntValue[] {
  const given = [...call.table(position)];
  if (given.length > MOST_FEATURES) throw call.wrong(position, `more than ${MOST_FEATURES} features`);
  return given.map(([feature, value]): LearntValue => {
    if (typeof feature !== "string")
      throw call.wrong(position, `names of features must be strings, ${feature} is a number`);
    const problem = featureProblem(feature);
    if (problem) throw call.wrong(position, problem);
    return [feature, ...readValue(call, position, feature, value)];
  });
}

function readValue(call: Call, position: number, feature: ByteString, given: LuaValue): [ByteString, number] {
  if (typeof given === "number" && Number.isFinite(given)) return [toByteString(String(given)), ValueKind.number];
  if (typeof given === "boolean") return [toByteString(String(given)), ValueKind.text];
  if (typeof given === "string") {
    // An address is personal data, and so is a network.
    const isAddress = parseNetmask(given) !== undefined;
    return [keptText(given as ByteString), isAddress ? ValueKind.address : ValueKind.text];
  }
  throw call.wrong(position, `${toText(feature)}: string, number, boolean or address expected, got ${typeName(given)}`);
}
