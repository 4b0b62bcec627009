/**
 * Names that wforce's configuration has and this one has not: who copies a line of wforce.conf is told where it belongs.
 * The list is that of wforce.conf(5), but for what both programs have.
 */
const LISTS = ["Blacklist", "Whitelist"].flatMap((list) => {
  const verb = list.toLowerCase();
  const kinds = ["Netmask", "IP", "Login", "IPLogin"];
  return [
    ...kinds.flatMap((kind) => [`${verb}${kind}`, `un${verb}${kind}`, `check${list}${kind}`]),
    ...kinds.flatMap((kind) => [`set${list}${kind}RetMsg`, `get${list}${kind}RetMsg`, `get${kind}${list}`]),
    ...["DB", "Replicated", "ConnectTimeout", "RWTimeout"].map((what) => `${verb}Persist${what}`),
    ...["Username", "Password"].map((what) => `${verb}Redis${what}`),
    `disableBuiltin${list}s`,
  ];
});
const NAMES = [
  ["addWebHook", "setAllow", "setReset", "setCanonicalize", "setCustomGetEndpoint", "setVerboseAllowLog"],
  ["addSibling", "addSiblingWithKey", "setSiblings", "setSiblingsWithKey", "removeSibling", "siblingListener"],
  ["setSiblingConnectTimeout", "setMaxSiblingQueueSize", "setNumSiblingThreads", "addSyncHost", "setMinSyncHostUptime"],
  ["addReportSink", "setReportSinks", "addNamedReportSink", "setNamedReportSinks"],
  ["newDNSResolver", "getDNSResolver"],
];

const WFORCE_NAMES: ReadonlySet<string> = new Set([...NAMES.flat(), ...LISTS]);

/** What to say of a global that nobody defined; undefined when it is none of wforce's. */
export const wforceHint = (name: string): string | undefined =>
  WFORCE_NAMES.has(name)
    ? `${name} is wforce's: it belongs into wforce.conf; trackalert is fed by a webhook of wforce (README)`
    : undefined;

/** Lua's message about a global that is nil, with the hint where there is one. */
export function withWforceHint(message: string): string {
  const [, name] = /\(global '(\w+)'\)/.exec(message) ?? [];
  const hint = name === undefined ? undefined : wforceHint(name);
  return hint === undefined ? message : `${message}: ${hint}`;
}
