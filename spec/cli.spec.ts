import { describe, expect, test } from "bun:test";

import { type Options, readCommandLine, UsageError } from "../lib/cli.ts";
import { version } from "../package.json";

const DEFAULTS: Options = { config: undefined, regexes: undefined, stamp: false, level: 6, verbose: false };

async function printed(...args: string[]): Promise<string> {
  const invocation = await readCommandLine(args);
  if (invocation.action !== "print") throw new Error("nothing to print");
  return Bun.stripANSI(invocation.text);
}

async function refusalOf(...args: string[]): Promise<string> {
  const error = await readCommandLine(args).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(UsageError);
  return (error as UsageError).message;
}

describe("readCommandLine", () => {
  test.each([
    ["", {}],
    ["-C FILE", { config: "FILE" }],
    ["-CFILE", { config: "FILE" }],
    ["-R FILE -sCX", { regexes: "FILE", config: "X" }],
    ["-sC FILE", { config: "FILE" }],
    ["-sCFILE", { config: "FILE" }],
    ["--config FILE", { config: "FILE" }],
    ["--config=FILE", { config: "FILE" }],
    ["--config=a=b", { config: "a=b" }],
    ["-Ca=b", { config: "a=b" }],
    ["-C=b", { config: "=b" }],
    ["-C -s", { config: "-s" }],
    ["-C --verbose", { config: "--verbose" }],
    ["--config -", { config: "-" }],
    ["-Cs -s", { config: "s" }],
    ["-C one -C two", { config: "two" }],
    ["-s", {}],
    ["--systemd", {}],
    ["-D", { stamp: true }],
    ["--docker", { stamp: true }],
    ["-v", { verbose: true }],
    ["--verbose", { verbose: true }],
    ["-vv", { verbose: true }],
    ["-l 0", { level: 0 }],
    ["-l7", { level: 7 }],
    ["--loglevel 3", { level: 3 }],
    ["--loglevel=4", { level: 4 }],
    ["-svl7", { verbose: true, level: 7 }],
    ["-svl 7 -D -C x.conf", { verbose: true, level: 7, stamp: true, config: "x.conf" }],
  ] as [string, Partial<Options>][])("reads %p", async (line, options) => {
    const args = line.split(" ").filter(Boolean);
    expect(await readCommandLine(args)).toEqual({ action: "run", options: { ...DEFAULTS, ...options } });
  });

  test("takes a value as it stands, spaces and line ends included", async () => {
    for (const args of [["-C", "a b\nc"], ["-Ca b\nc"], ["--config=a b\nc"]]) {
      expect(await readCommandLine(args)).toEqual({ action: "run", options: { ...DEFAULTS, config: "a b\nc" } });
    }
  });

  test.each([
    ["-x", "'-x'"],
    ["-sx", "'-x'"],
    ["-c=x", "'-c'"],
    ["-s=yes", "'-='"],
    ["--bogus", "'--bogus'"],
    ["--bogus=1", "'--bogus'"],
    ["--no-verbose", "'--no-verbose'"],
    ["--Config x", "'--Config'"],
    ["--C x", "'--C'"],
    ["--toString", "'--toString'"],
    ["--__proto__=x", "'--__proto__'"],
    ["-h --bogus", "'--bogus'"],
    ["-C", "'-C' needs a value"],
    ["-sC", "'-C' needs a value"],
    ["--config", "'--config' needs a value"],
    ["-v -l", "'-l' needs a value"],
    ["--systemd=yes", "'--systemd' takes no value"],
    ["--help=", "'--help' takes no value"],
    ["-l 8", "'8'"],
    ["-l -1", "'-1'"],
    ["-l debug", "'debug'"],
    ["-l 1.5", "'1.5'"],
    ["-l 10", "'10'"],
    ["--loglevel=", "''"],
    ["start", "'start'"],
    ["-s start", "'start'"],
    ["-C a b", "'b'"],
    ["-", "'-'"],
  ])("refuses %p and says why", async (line, why) => {
    expect(await refusalOf(...line.split(" "))).toContain(why);
  });

  test.each([[["a\nb"]], [["--a\nb"]], [["-\n"]], [["-l", "1\n2"]]])("says no to %j in one line", async (args) => {
    expect(await refusalOf(...args)).not.toMatch(/\p{Cc}/u);
  });

  test.each(["-h", "--help", "-sh", "--version -h"])("%p prints what each option means", async (line) => {
    const help = await printed(...line.split(" "));
    for (const option of [
      "-C, --config=<FILE>",
      "-s, --systemd",
      "-D, --docker",
      "-l, --loglevel=<N>",
      "-v, --verbose",
    ]) {
      expect(help).toContain(option);
    }
    for (const option of ["-h, --help", "--version"]) expect(help).toContain(option);
    expect(help).toContain("trackalert");
  });

  test("--version prints the version", async () => {
    expect(await printed("--version")).toBe(`trackalert ${version}`);
  });
});
