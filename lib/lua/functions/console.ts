/** The commands of the console. Each prints; the answer to a chunk is what its commands have printed. */
import nacl from "tweetnacl";

import { version } from "../../../package.json";
import type { Config } from "../../config.ts";
import { keyLine } from "../../control/key.ts";
import type { Stats } from "../../stats/stats.ts";
import { type ByteString, toByteString } from "../../text/byte-string.ts";
import type { HostFunction } from "../call.ts";
import { CONSOLE_COMMANDS } from "../console-commands.ts";
import type { ConsoleOutput } from "../console-output.ts";
import type { Policy } from "../policy.ts";
import { LuaError } from "../state.ts";

/** Columns of a name in lists, as the reference has them. */
const NAME_WIDTH = 30;

interface ConsoleContext {
  config: Config;
  policy: Policy;
  stats: Stats;
  output: ConsoleOutput;
  requestShutdown: () => void;
}

export function consoleCommands({ config, policy, stats, output, requestShutdown }: ConsoleContext): HostFunction[] {
  const printing = (name: string, text: () => string): HostFunction => ({
    name,
    body: () => output.print(toByteString(text())),
  });
  return [
    printing("help", helpText),
    printing("makeKey", () => `${keyLine()}\n`),
    printing("showACL", () => lines(config.acl)),
    printing("showCustomEndpoints", () =>
      lines(
        ["Custom Endpoint", ...[...policy.endpoints.keys()].toSorted()].map((name) => `${name.padEnd(NAME_WIDTH)} `),
      ),
    ),
    printing("showVersion", () => `trackalert ${version}\n`),
    printing("showCommandStats", () => stats.commandsText()),
    printing("showCustomStats", () => stats.customText()),
    printing("showPerfStats", () => stats.perfText()),
    printing("stats", () => stats.reportsText()),
    {
      name: "testCrypto",
      body(call) {
        const { key } = config;
        if (!key) throw new LuaError("testCrypto: there is no key: setKey() sets one");
        const text = Buffer.from(call.bytes(1), "latin1");
        const nonce = nacl.randomBytes(nacl.secretbox.nonceLength);
        const opened = nacl.secretbox.open(nacl.secretbox(text, nonce, key), nonce, key);
        if (!opened || !text.equals(opened)) throw new LuaError("testCrypto: the text did not come back as it was");
        output.print("Everything is ok!\n" as ByteString);
      },
    },
    { name: "shutdown", body: requestShutdown },
  ];
}

/** What the prelude (console.lua) asks of the host. */
export const consoleOutputFunctions = (output: ConsoleOutput): Record<string, HostFunction> => ({
  listening: { name: "print", body: () => output.listening },
  print: { name: "print", level: 2, body: (call) => output.print(call.bytes(1)) },
});

const lines = (texts: readonly string[]): string => texts.map((text) => `${text}\n`).join("");

function helpText(): string {
  const calls = [...CONSOLE_COMMANDS.keys()];
  const width = Math.max(...calls.map((call) => call.length)) + 2;
  return lines(calls.map((call) => call.padEnd(width) + CONSOLE_COMMANDS.get(call)));
}
