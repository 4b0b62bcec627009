import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { compileRegex, RegexSyntaxError } from "../../lib/device/regex-syntax.ts";
import { readYaml } from "../../lib/text/yaml.ts";

/** Answers of Python's `re.search` 3.11 and of PCRE where Python lacks the construct. */
describe("compileRegex", () => {
  test.each([
    [String.raw`\AFoo/(\d+)\Z`, "Foo/12", ["Foo/12", "12"]],
    [String.raw`\AFoo`, "a Foo", null],
    [String.raw`Foo\Z`, "Foo bar", null],
    [String.raw`Foo\z`, "Foo", ["Foo"]],
    [String.raw`a\hb`, "a\tb", ["a\tb"]],
    [String.raw`a[\h]b`, "a b", ["a b"]],
    [String.raw`a\Rb`, "a\r\nb", ["a\r\nb"]],
    [String.raw`\Qa.b(\E+c`, "a.b((c", ["a.b((c"]],
    [String.raw`\Qa.b`, "axb", null],
    [String.raw`\x{41}\x41\U00000041\101`, "AAAA", ["AAAA"]],
    [String.raw`\0`, "a\0", ["\0"]],
    [String.raw`\e\a`, "\x1b\x07", ["\x1b\x07"]],
    ["(?i)foo", "FOO", ["FOO"]],
    ["(?is)a.b", "A\nB", ["A\nB"]],
    ["(?i:f)oo", "Foo", ["Foo"]],
    ["(?i:f)oo", "FOO", null],
    ["(?P<n>a+)-(?P=n)", "aa-aa", ["aa-aa", "aa"]],
    [String.raw`(?P<n>a+)-\k{n}`, "aa-a", ["a-a", "a"]],
    ["(?#a comment)b", "b", ["b"]],
    ["[[:alpha:]_]+[[:digit:]]", "1ab_2", ["ab_2"]],
    ["[]a]+", "x]a]", ["]a]"]],
    ["[^]a]+", "]ab", ["b"]],
    ["a{,2}b", "aaab", ["aab"]],
    ["a{1,2}?b", "aab", ["aab"]],
    ["x{a}", "x{a}", ["x{a}"]],
    ["(?:A(?!B))", "AC", ["A"]],
    [String.raw`(?<=\Aa)b`, "ab", ["b"]],
    [String.raw`\(\?P<`, "(?P<", ["(?P<"]],
    [String.raw`[\]\\(?]+`, "](?\\", ["](?\\"]],
  ])("%s on %j finds %j", (pattern, text, found) => {
    const match = compileRegex(pattern, "").exec(text);
    expect(match && Array.from(match)).toEqual(found);
  });

  test.each([
    ["a++", "the possessive ++"],
    ["a{2}+", "the possessive {2}+"],
    ["(?>a)", "(?>a…"],
    ["(?|a|b)", "(?|a…"],
    ["(?R)", "(?R)…"],
    ["(a)(?(1)b|c)", "(?(1…"],
    ["a(?i)b", "(?i)…"],
    ["(?x) a", "(?x)…"],
    ["(*SKIP)a", "verbs such as (*SKIP)"],
    [String.raw`a\Kb`, String.raw`\K`],
    [String.raw`\Ga`, String.raw`\G`],
    [String.raw`\p{Lu}`, String.raw`\p`],
    [String.raw`[\pL]`, String.raw`\p`],
    [String.raw`\x{1F600}`, String.raw`\x{1F600}`],
    [String.raw`\N{DIGIT ONE}`, String.raw`\N{DIGIT ONE}`],
    ["[[:^alpha:]]", "[:^alpha:]"],
    ["[[:alfa:]]", "[:alfa:]"],
  ])("%s is refused, naming %s", (pattern, named) => {
    expect(() => compileRegex(pattern, "")).toThrow(new RegexSyntaxError(named));
  });

  test.each(["(", "[a", "a)", "*a", "(?<1>a)", "\\"])("%s is no expression", (pattern) => {
    expect(() => compileRegex(pattern, "")).toThrow();
  });

  test("leaves every expression of uap-core as it is", () => {
    const text = readFileSync(Bun.resolveSync("uap-core/regexes.yaml", import.meta.dir), "utf8");
    const { document } = readYaml(text, { schema: "failsafe" });
    const lists = document.toJS() as Record<string, { regex: string; regex_flag?: "i" }[]>;
    const entries = Object.values(lists).flat();
    expect(entries.length).toBeGreaterThan(500);
    for (const { regex, regex_flag: flag = "" } of entries) {
      expect(compileRegex(regex, flag).source).toBe(new RegExp(regex, flag).source);
    }
  });

  test("reads hundreds of kilobytes of anything in time that grows with it", () => {
    for (const part of ["(?", "[[:", "\\Q", "(?#", "\\x{", "{", "[", "(?P<", "\\k{"]) {
      try {
        compileRegex(part.repeat(60_000), "");
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
  });
});
