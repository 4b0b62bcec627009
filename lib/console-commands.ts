/** The commands of the console: what Tab completes and help() lists. */

interface ConsoleCommand {
  /** As Lua writes them, between the parentheses. */
  parameters: string;
  /** One line. */
  description: string;
}

const command = (description: string, parameters = ""): ConsoleCommand => ({ parameters, description });

/** By name. */
export const CONSOLE_COMMANDS: ReadonlyMap<string, ConsoleCommand> = new Map([
  ["help", command("this list")],
  ["makeKey", command("a new key for setKey()")],
  ["reloadGeoIPDBs", command("opens all GeoIP databases anew")],
  ["showACL", command("who may connect: one netmask a line")],
  ["showCommandStats", command("how often each command was called")],
  ["showCustomEndpoints", command("the custom endpoints")],
  ["showCustomStats", command("the counters of the policy")],
  ["showCustomWebHooks", command("the webhooks and how they fare")],
  ["showPerfStats", command("how long reports waited and ran")],
  ["showVersion", command("the version of the daemon")],
  ["shutdown", command("ends the daemon in good order")],
  ["stats", command("how many reports were received")],
  ["testCrypto", command("checks that texts survive encryption with the key", '"text"')],
]);
