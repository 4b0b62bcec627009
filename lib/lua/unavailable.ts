/** Functions of Lua's library that a daemon cannot have, and what there is instead. Each raises an error that says so. */
export const UNAVAILABLE: ReadonlyMap<string, string> = new Map([
  // It would end the daemon without the shutdown that others rely on.
  ["os.exit", "use shutdown()"],
  ["debug.sethook", "the limit on run time uses the hook"],
  ["debug.debug", "there is no terminal: use the console"],
]);
