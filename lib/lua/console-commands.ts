/** The commands of the console, as `help()` lists them and the client completes them: each call and what it does. */
export const CONSOLE_COMMANDS: ReadonlyMap<string, string> = new Map([
  ["backupHistory(file)", "copies the history to a file that is not there yet"],
  ["help()", "lists the commands"],
  ["makeKey()", "prints a setKey(…) line with a new random key"],
  ["reloadGeoIPDBs()", "opens the GeoIP databases anew; one that cannot be opened stays as it was"],
  ["resendDeadLetters(id)", "queues a dead letter again; all of them without an id"],
  ["showACL()", "prints the netmasks of peers that may connect"],
  ["showAlerts(n, filter)", "prints the newest alerts: 20 unless told otherwise, of a type, login, remote, severity"],
  ["showCommandStats()", "prints how often each command was called in the last 5 minutes"],
  ["showCustomEndpoints()", "prints the names of the custom endpoints"],
  ["showCustomStats()", "prints what the policy counted in the last 5 minutes"],
  ["showCustomWebHooks()", "prints the webhooks with their successes and failed attempts"],
  ["showDeadLetters()", "prints the events that were given up"],
  ["showHistory()", "prints where the history is, how much is in it, and how it does"],
  ["showLogin(name)", "prints what is known of a login"],
  ["showPerfStats()", "prints how long requests waited and ran in the last 5 minutes"],
  ["showStringStatsDBs()", "prints the dbs of counters: name, keys, bound, memory"],
  ["showVersion()", "prints the version"],
  ["showWebHookQueue()", "prints the events that wait to be delivered"],
  ["shutdown()", "ends the daemon in good order"],
  ["stats()", "prints how many reports have been received"],
  ["testAlertChannel(name)", "sends a test alert to a channel and prints what its receiver said"],
  ["testCrypto(text)", "encrypts and decrypts a text with the console's key"],
]);

/**
 * A comment at the end of a chunk of somebody at a terminal, who is shown `nil` where a script gets an empty answer. To other
 * daemons it is a comment and nothing else.
 */
export const SHOWS_NIL = " --interactive";

const NAMES: ReadonlySet<string> = new Set(
  [...CONSOLE_COMMANDS.keys()].map((call) => call.slice(0, call.indexOf("("))),
);

/** Whether a word is the name of a command, without parentheses. */
export const isConsoleCommand = (word: string): boolean => NAMES.has(word);
