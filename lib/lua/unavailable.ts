/** Functions of Lua's library that a daemon cannot have, and what there is instead. Each raises an error that says so. */
export const UNAVAILABLE: ReadonlyMap<string, string> = new Map([
  // It would end the daemon without the shutdown that others rely on.
  ["os.exit", "use shutdown()"],
  // All reports would wait for the command.
  ["os.execute", "no other program is run: use httpRequest or a webhook"],
  ["io.popen", "no other program is run: use httpRequest or a webhook"],
  ["debug.sethook", "the limit on run time uses the hook"],
  ["debug.debug", "there is no terminal: use the console"],
]);
