/**
 * User agents by rules in uap-core's format, as its specification says:
 * https://github.com/ua-parser/uap-core/blob/master/docs/specification.md
 *
 * Each of three lists is tried from the top; the first pattern that matches decides. All patterns are simply tried in
 * turn: the 1,175 of uap-core 0.18 take 0.16 ms for an ordinary agent, once they are compiled (see {@link warmUp}).
 */

/** What an agent string says. A family that is not known is `Other`, any other part `""`. */
export interface UserAgent {
  device: { family: string; brand: string; model: string };
  os: Version;
  browser: Version;
}

interface Version {
  family: string;
  major: string;
  minor: string;
}

/** One entry of a list: three templates to fill with what the pattern captured, `$1` to `$9`. */
export interface Rule {
  pattern: RegExp;
  templates: Templates;
}

export type Templates = [family: string, second: string, third: string];

/** The three lists. A rule of `device` yields family, brand, model; the others family, major, minor. */
export interface UserAgentRules {
  browser: Rule[];
  os: Rule[];
  device: Rule[];
}

/** The family of what no rule knows. */
export const UNKNOWN_FAMILY = "Other";

const UNKNOWN: Templates = [UNKNOWN_FAMILY, "", ""];
const PLACEHOLDER = /\$([1-9])/g;

/** Reads an agent by the rules. The time taken grows with the text, perhaps with its square: the caller bounds it. */
export function parseUserAgent(rules: UserAgentRules, text: string): UserAgent {
  const [browser, browserMajor, browserMinor] = applyFirst(rules.browser, text);
  const [os, osMajor, osMinor] = applyFirst(rules.os, text);
  const [device, brand, model] = applyFirst(rules.device, text);
  return {
    device: { family: device, brand, model },
    os: { family: os, major: osMajor, minor: osMinor },
    browser: { family: browser, major: browserMajor, minor: browserMinor },
  };
}

/** One agent in one-byte characters, one that needs two: the engine compiles a pattern for either when it first meets it. */
const ORDINARY_AGENTS = [
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Seznam prohlížeč/5.1.1",
];

/** Has all patterns compiled now, which takes some 50 ms, so that no report waits for it. */
export function warmUp({ browser, os, device }: UserAgentRules): void {
  for (const { pattern } of [...browser, ...os, ...device]) {
    for (const agent of ORDINARY_AGENTS) pattern.exec(agent);
  }
}

function applyFirst(rules: Rule[], text: string): Templates {
  for (const { pattern, templates } of rules) {
    const match = pattern.exec(text);
    if (!match) continue;
    const [family, second, third] = templates;
    return [fill(family, match) || UNKNOWN_FAMILY, fill(second, match), fill(third, match)];
  }
  return UNKNOWN;
}

/** A group that took no part in the match, or does not exist, is empty. */
const fill = (template: string, match: RegExpExecArray): string =>
  template.replace(PLACEHOLDER, (_, group: string) => match[Number(group)] ?? "").trim();
