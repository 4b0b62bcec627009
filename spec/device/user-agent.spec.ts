import { describe, expect, test } from "bun:test";

import { parseUserAgent, type Rule, type UserAgentRules } from "../../lib/device/user-agent.ts";

const rule = (pattern: RegExp, family = "$1", second = "$2", third = "$3"): Rule => ({
  pattern,
  templates: [family, second, third],
});
const browserRules = (...browser: Rule[]): UserAgentRules => ({ browser, os: [], device: [] });
const browserOf = (text: string, ...rules: Rule[]): string[] => {
  const { family, major, minor } = parseUserAgent(browserRules(...rules), text).browser;
  return [family, major, minor];
};

test("each list is read on its own", () => {
  const rules = {
    browser: [rule(/(Fox)\/(\d+)\.(\d+)/)],
    os: [rule(/(Hurd) (\d+)\.(\d+)/)],
    device: [rule(/; (\w+) phone/, "$1 phone", "$1 Inc", "$1")],
  };
  expect(parseUserAgent(rules, "Fox/1.2 (Hurd 3.4; Acme phone)")).toEqual({
    browser: { family: "Fox", major: "1", minor: "2" },
    os: { family: "Hurd", major: "3", minor: "4" },
    device: { family: "Acme phone", brand: "Acme Inc", model: "Acme" },
  });
});

test("what no rule knows is Other, with empty parts", () => {
  expect(parseUserAgent(browserRules(rule(/x/)), "")).toEqual({
    browser: { family: "Other", major: "", minor: "" },
    os: { family: "Other", major: "", minor: "" },
    device: { family: "Other", brand: "", model: "" },
  });
});

test("the first rule that matches decides, even when a later one matches further left", () => {
  expect(browserOf("Early/1 Late/2", rule(/(Late)\/(\d)/), rule(/(Early)\/(\d)/))).toEqual(["Late", "2", ""]);
});

test("a pattern is case-sensitive unless its flag says otherwise", () => {
  expect(browserOf("FOX/1", rule(/(fox)\/(\d)/))[0]).toBe("Other");
  expect(browserOf("FOX/1", rule(/(fox)\/(\d)/i))[0]).toBe("FOX");
});

describe("a template", () => {
  test.each([
    ["with one placeholder", "Minefield ($1)", "Minefield (a)"],
    ["with several, in any order, more than once", "$9$2-$1-$2", "ib-a-b"],
    ["with a digit behind the placeholder", "$10", "a0"],
    ["with what is no placeholder", "$0 $ $$ $x $&", "$0 $ $$ $x $&"],
    ["that takes up space at its ends", "  $1 ", "a"],
    ["without a placeholder", "Fixed", "Fixed"],
  ])("%s", (_, template, expected) => {
    const letters = /(a)(b)(c)(d)(e)(f)(g)(h)(i)/;
    expect(browserOf("abcdefghi", rule(letters, template))[0]).toBe(expected);
  });

  test("takes what was captured as it is, placeholders in it included", () => {
    expect(browserOf("<$2>/7", rule(/<(.*)>\/(\d)/, "[$1]"))).toEqual(["[$2]", "7", ""]);
  });

  test("has nothing for a group that took no part, or does not exist", () => {
    expect(browserOf("Fox", rule(/(Fox)(?:\/(\d))?/))).toEqual(["Fox", "", ""]);
  });

  test("that leaves a family empty makes it Other", () => {
    expect(browserOf("Fox/3", rule(/()Fox\/(\d)/))).toEqual(["Other", "3", ""]);
  });
});
