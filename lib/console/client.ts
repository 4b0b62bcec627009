/** `-c` and `-e`: the console of another process's daemon, reached over its control socket. */
import { ConfigError, loadConfig } from "../configuration/load-config.ts";
import { ControlClient } from "../control/client.ts";
import { LARGEST_MESSAGE } from "../control/session.ts";
import type { Log } from "../log/log.ts";
import type { Listener } from "../net/listener.ts";
import { type ByteString, fromBytes, toByteString } from "../text/byte-string.ts";
import type { Clock } from "../time/clock.ts";
import { type Execute, isError, printAnswer } from "./answer.ts";
import { History, historyFile } from "./history.ts";
import { runLines } from "./lines.ts";
import { Prompt } from "./prompt.ts";

/** Where a daemon is looked for when the configuration has no `controlSocket`. */
const DEFAULT_SOCKET: Listener = { hostname: "127.0.0.1", port: 4005 };

const EXIT_SUCCESS = 0;
const EXIT_FAILURE = 1;
/** What a shell says of a program that Ctrl-C ended: 128 + SIGINT. */
const EXIT_INTERRUPTED = 130;

interface Ports {
  clock: Clock;
  /** What the configuration logs while it is read. */
  log: Log;
}

/**
 * Runs `command`, or what standard input holds if it is `-`; a console if it is undefined.
 * @param file the configuration that names the daemon and holds its key
 * @returns the exit code: failure when an answer is an error
 * @throws {ConfigError}, {ControlError}, {ConsoleError}
 */
export async function runClient(file: string, command: string | undefined, ports: Ports): Promise<number> {
  process.stdout.on("error", () => {}); // printAnswer() tells
  const { listener, key } = await readSettings(file, ports);
  const chunk = command === "-" ? await readChunk() : command === undefined ? undefined : toByteString(command);
  const client = await ControlClient.connect(listener, key, ports);
  let failed = false;
  const execute: Execute = async (chunk) => {
    const answer = refuseLong(chunk) ?? (await client.execute(chunk));
    failed ||= isError(answer);
    return answer;
  };
  try {
    if (chunk === undefined && process.stdin.isTTY && process.stdout.isTTY) return await converse(client, execute);
    if (chunk === undefined) await runLines(process.stdin, execute, printAnswer);
    else await printAnswer(await execute(chunk));
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
  } finally {
    client.close();
  }
}

/** A session at the terminal, until the user leaves or the connection ends. */
async function converse(client: ControlClient, execute: Execute): Promise<number> {
  const prompt = new Prompt({ execute, history: new History(historyFile(), console.error), isDaemon: false });
  const lost = client.closed.then((reason) => Promise.reject(reason));
  try {
    return (await Promise.race([prompt.left, lost])) === "quit" ? EXIT_SUCCESS : EXIT_INTERRUPTED;
  } finally {
    prompt.close();
  }
}

/** Where the daemon is, and the key. Nothing else of the configuration takes effect. */
async function readSettings(file: string, ports: Ports): Promise<{ listener: Listener; key: Uint8Array }> {
  const { config, engine } = await loadConfig(file, { ...ports, only: "settings" });
  engine.close();
  const { controlSocket: listener = DEFAULT_SOCKET, key } = config;
  if (!key) throw new ConfigError(`${file}: no key: add the daemon's setKey() line (trackalert --make-key prints one)`);
  return { listener, key };
}

/** Standard input as a chunk. Reads no more than shows that it is too long. */
async function readChunk(): Promise<ByteString> {
  let chunk = "";
  for await (const bytes of process.stdin as AsyncIterable<Uint8Array>) {
    chunk += fromBytes(bytes);
    if (chunk.length > LARGEST_MESSAGE) break;
  }
  return chunk as ByteString;
}

/** The session goes on after a chunk that no message can hold. */
function refuseLong({ length }: ByteString): ByteString | undefined {
  if (length <= LARGEST_MESSAGE) return undefined;
  return `Error: the chunk is too long: the most is ${LARGEST_MESSAGE} bytes` as ByteString;
}
