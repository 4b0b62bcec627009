import { describe, expect, test } from "bun:test";

import {
  type CheckOptions,
  type ClientOptions,
  readCommandLine,
  type ReplayCommand,
  type ServeOptions,
} from "../../lib/program/cli.ts";
import { UsageError } from "../../lib/program/getopt.ts";
import { version } from "../../package.json";

const SERVE: ServeOptions = {
  way: "console",
  config: undefined,
  regexes: undefined,
  stamp: false,
  facility: undefined,
  level: 6,
  verbose: false,
  record: undefined,
};
const CLIENT: ClientOptions = { config: undefined, execute: undefined, level: 0, verbose: false };
const SUPERVISED = { way: "supervised" } as const;

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
    ["-R FILE -sCX", { ...SUPERVISED, regexes: "FILE", config: "X" }],
    ["-sC FILE", { ...SUPERVISED, config: "FILE" }],
    ["-sCFILE", { ...SUPERVISED, config: "FILE" }],
    ["--config FILE", { config: "FILE" }],
    ["--config=FILE", { config: "FILE" }],
    ["--config=a=b", { config: "a=b" }],
    ["-Ca=b", { config: "a=b" }],
    ["-C=b", { config: "=b" }],
    ["-C -s", { config: "-s" }],
    ["-C --verbose", { config: "--verbose" }],
    ["--config -", { config: "-" }],
    ["-Cs -s", { ...SUPERVISED, config: "s" }],
    ["-C one -C two", { config: "two" }],
    ["-s", SUPERVISED],
    ["--systemd", SUPERVISED],
    ["-D", { ...SUPERVISED, stamp: true }],
    ["--docker", { ...SUPERVISED, stamp: true }],
    ["-d", { way: "detached" }],
    ["--daemon", { way: "detached" }],
    ["-dCFILE", { way: "detached", config: "FILE" }],
    ["-v", { verbose: true }],
    ["--verbose", { verbose: true }],
    ["-vv", { verbose: true }],
    ["-l 0", { level: 0 }],
    ["-l7", { level: 7 }],
    ["--loglevel 3", { level: 3 }],
    ["--loglevel=4", { level: 4 }],
    ["-f mail", { facility: 2 }],
    ["-fkern", { facility: 0 }],
    ["-sf daemon", { ...SUPERVISED, facility: 3 }],
    ["--facility local0", { facility: 16 }],
    ["--facility=local7", { facility: 23 }],
    ["-svl7", { ...SUPERVISED, verbose: true, level: 7 }],
    ["-svl 7 -D -C x.conf", { ...SUPERVISED, verbose: true, level: 7, stamp: true, config: "x.conf" }],
  ] as [string, Partial<ServeOptions>][])("reads %p", async (line, options) => {
    const args = line.split(" ").filter(Boolean);
    expect(await readCommandLine(args)).toEqual({ action: "serve", options: { ...SERVE, ...options } });
  });

  test.each([
    ["-c", {}],
    ["--client", {}],
    ["-c FILE", { config: "FILE" }],
    ["-cFILE", { config: "FILE" }],
    ["--client FILE", { config: "FILE" }],
    ["--client=FILE", { config: "FILE" }],
    ["-e CMD", { execute: "CMD" }],
    ["-eCMD", { execute: "CMD" }],
    ["-e -", { execute: "-" }],
    ["--execute CMD", { execute: "CMD" }],
    ["--execute=a=b", { execute: "a=b" }],
    ["--execute=", { execute: "" }],
    ["-c FILE -e CMD", { config: "FILE", execute: "CMD" }],
    ["-e CMD -c FILE", { config: "FILE", execute: "CMD" }],
    ["-e CMD -c", { execute: "CMD" }],
    ["-C FILE -c -e CMD", { config: "FILE", execute: "CMD" }],
    ["-C FILE --client --execute CMD", { config: "FILE", execute: "CMD" }],
    ["-C FILE -c", { config: "FILE" }],
    ["-c -C FILE", { config: "FILE" }],
    ["-C FILE -e CMD", { config: "FILE", execute: "CMD" }],
    ["-vc FILE", { config: "FILE", verbose: true }],
    ["-c -v", { verbose: true }],
    ["-c -l 4", { level: 4 }],
  ] as [string, Partial<ClientOptions>][])("reads %p as a client", async (line, options) => {
    expect(await readCommandLine(line.split(" "))).toEqual({ action: "client", options: { ...CLIENT, ...options } });
  });

  test.each([
    ["--check-config", {}],
    ["--check-config --json", { json: true }],
    ["--strict --check-config", { strict: true }],
    ["-C FILE --json --check-config -R X", { config: "FILE", regexes: "X", json: true }],
  ] as [string, Partial<CheckOptions>][])("reads %p as a check", async (line, options) => {
    const nothing = { config: undefined, regexes: undefined, json: false, strict: false };
    expect(await readCommandLine(line.split(" "))).toEqual({ action: "check", options: { ...nothing, ...options } });
  });

  test("reads --init", async () => {
    for (const args of [["--init", "DIR"], ["--init=DIR"]]) {
      expect(await readCommandLine(args)).toEqual({ action: "init", folder: "DIR" });
    }
  });

  test("takes a chunk as it stands", async () => {
    const execute = "-- a = 'b'\nreturn 1";
    expect(await readCommandLine(["-e", execute])).toEqual({ action: "client", options: { ...CLIENT, execute } });
  });

  test("takes a value as it stands, spaces and line ends included", async () => {
    for (const args of [["-C", "a b\nc"], ["-Ca b\nc"], ["--config=a b\nc"]]) {
      expect(await readCommandLine(args)).toEqual({ action: "serve", options: { ...SERVE, config: "a b\nc" } });
    }
  });

  test.each([
    ["-x", "'-x'"],
    ["-sx", "'-x'"],
    ["-d=x", "'-='"],
    ["-c -", "'-'"],
    ["-c one two", "'two'"],
    ["-e", "'-e' needs a value"],
    ["-C one -c two", "--client and --config"],
    ["-s -c", "--client and --systemd"],
    ["-d -c", "--client and --daemon"],
    ["-D -e CMD", "--execute and --docker"],
    ["-d -s", "--daemon and --systemd"],
    ["--check-config -s", "--check-config and --systemd"],
    ["--check-config -e CMD", "--execute and --check-config"],
    ["--init", "option '--init' needs a value"],
    ["--init=", "option --init needs a folder"],
    ["--init DIR -C FILE", "option --init takes no --config: it writes one"],
    ["--init DIR -s", "options --init and --systemd exclude each other"],
    ["--strict", "option --strict needs --check-config"],
    ["--json", "option --json needs --check-config or --replay"],
    ["--run x", "option --run needs --replay"],
    ["--junit x --check-config", "option --junit needs --replay"],
    ["--update", "option --update needs --replay"],
    ["--record-redact", "option --record-redact needs --record"],
    ["--record FILE -c", "options --record and --client exclude each other"],
    ["--format dovecot", "option --format needs --import"],
    ["--year 2026 --replay FILE", "option --year needs --import"],
    ["--import", "option '--import' needs a value"],
    ["--import --format dovecot FILE", "option '--import' needs a value, got the option '--format'"],
    ["--import FILE --format postfix", "option --format: dovecot or sshd expected, got 'postfix'"],
    ["--import FILE --format sshd --year 26", "option --year: a year such as 2026 expected, got '26'"],
    ["--import FILE --year 2026", "option --year needs --format: other lines have their years"],
    ["--import FILE --replay FILE", "options --replay and --import exclude each other"],
    ["--import FILE -d", "options --import and --daemon exclude each other"],
    ["--record FILE --import FILE", "options --record and --import exclude each other"],
    ["--record FILE --replay FILE", "options --record and --replay exclude each other"],
    ["--replay", "option '--replay' needs a value"],
    ["--replay --update FILE", "option '--replay' needs a value, got the option '--update'"],
    ["--replay FILE -C FILE", "option --replay takes no --config: the fixture names its configuration"],
    ["--replay FILE --update=some", "option --update: nothing or =all expected, got 'some'"],
    ["--replay FILE -s", "options --replay and --systemd exclude each other"],
    ["--replay FILE --run (", "option --run: Invalid regular expression"],
    ["-d -D", "--daemon and --docker"],
    ["-f", "'-f' needs a value"],
    ["-f none", "local7 expected, got 'none'"],
    ["-f MAIL", "'MAIL'"],
    ["-f local8", "'local8'"],
    ["-f 3", "'3'"],
    ["-f toString", "'toString'"],
    ["--facility=", "''"],
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
    ["-e stats() -e showACL()", "--execute is given twice"],
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
      "-c, --client=<FILE>",
      "-e, --execute=<CMD>",
      "-C, --config=<FILE>",
      "-s, --systemd",
      "-d, --daemon",
      "-D, --docker",
      "-f, --facility=<NAME>",
      "-l, --loglevel=<N>",
      "-v, --verbose",
    ]) {
      expect(help).toContain(option);
    }
    for (const option of ["-h, --help", "--version", "--make-key"]) expect(help).toContain(option);
    expect(help).toContain("trackalert");
  });

  test("--version prints the version", async () => {
    expect(await printed("--version")).toBe(`trackalert ${version}`);
  });

  test("--make-key prints a new key each time, as the configuration takes it", async () => {
    const lines = await Promise.all([printed("--make-key"), printed("--make-key")]);
    for (const line of lines) {
      const [, key] = /^setKey\("(.*)"\)$/.exec(line)!;
      expect(Buffer.from(key!, "base64")).toHaveLength(32);
    }
    expect(lines[0]).not.toBe(lines[1]);
  });
});

describe("--import", () => {
  const IMPORT = {
    ...{ files: ["a"], config: undefined, format: undefined, year: undefined },
    ...{ verbose: false, regexes: undefined },
  };

  test.each([
    ["--import a", {}],
    ["--import=a b c", { files: ["a", "b", "c"] }],
    ["--import a --format dovecot b -C conf", { files: ["a", "b"], format: "dovecot" as const, config: "conf" }],
    [
      "--format sshd --year 2025 --import a -v -R R",
      { format: "sshd" as const, year: 2025, verbose: true, regexes: "R" },
    ],
  ])("%s", async (line, expected) => {
    expect(await readCommandLine(line.split(" "))).toEqual({ action: "import", options: { ...IMPORT, ...expected } });
  });
});

describe("--replay", () => {
  const REPLAY: ReplayCommand = {
    files: ["a"],
    run: undefined,
    json: false,
    junit: undefined,
    update: undefined,
    verbose: false,
    regexes: undefined,
  };
  test.each([
    ["--replay a", {}],
    ["--replay=a b c", { files: ["a", "b", "c"] }],
    ["--replay a b --replay c -v", { files: ["a", "b", "c"], verbose: true }],
    ["--replay a --update=all", { update: "all" }],
    ["--update --replay a", { update: "mend" }],
    ["--replay a --update b", { files: ["a", "b"], update: "mend" }],
    ["b --replay a", { files: ["b", "a"] }],
    [
      "--replay a --run ^x --json --junit J --update -R R",
      { run: /^x/, json: true, junit: "J", update: "mend", regexes: "R" },
    ],
  ] as [string, Partial<ReplayCommand>][])("%s", async (line, expected) => {
    expect(await readCommandLine(line.split(" "))).toEqual({ action: "replay", options: { ...REPLAY, ...expected } });
  });
});

test.each([
  ["--record FILE", { file: "FILE", redact: false }],
  ["-s --record=FILE --record-redact", { file: "FILE", redact: true }],
])("%s", async (line, record) => {
  expect(await readCommandLine(line.split(" "))).toMatchObject({ action: "serve", options: { record } });
});
