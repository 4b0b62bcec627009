/** --update: a fixture that fails comes to hold, and the rest of its text stays. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { replaceFile } from "../../lib/replay/replace-file.ts";
import { HEAD, runReplay } from "../support/replay.ts";

const POLICY = `
addCustomWebHook("a", { url = "http://a/" })
addCustomStat("n")
setReport(function(lt)
  incCustomStat("n")
  if lt.login == "bad" then error("bad") end
  runCustomWebHook("a", lt.login == "text" and "no JSON" or '{"login":"' .. lt.login .. '","n":[1]}')
end)
setBackground("f", function() end)
intervalScheduleBackgroundFunc("00:01:00", "f")
setCustomEndpoint("e", function(args) return true, { x = 1, y = args.attrs.y or "none" } end)
`;

/** Updates a fixture. @returns its text, after a second run has found nothing to change */
async function update(fixture: string): Promise<string> {
  const files = { "spec.conf": POLICY, "spec.replay.yaml": fixture };
  using first = await runReplay(files, { update: "all" });
  const updated = readFileSync(join(first.folder, "spec.replay.yaml"), "utf8");
  expect({ code: first.code, output: first.output.slice(0, 8) }).toEqual({ code: 0, output: "new  spe" });
  using second = await runReplay({ ...files, "spec.replay.yaml": updated }, { update: "all" });
  expect({ code: second.code, output: second.output.slice(0, 8) }).toEqual({ code: 0, output: "ok   spe" });
  expect(readFileSync(join(second.folder, "spec.replay.yaml"), "utf8")).toBe(updated);
  return updated;
}

const REPORTS = `reports: # the traffic
  - {at: +1m,   login: joe}   # spaced   oddly
  - { at: +2m, login: text }
`;

test("an absent expect is appended", async () => {
  const fixture = `# a comment\n${HEAD}${REPORTS}`;
  expect(await update(fixture)).toBe(`${fixture}expect:
  webhooks:
    - { at: +1m, name: a, body: { login: joe, n: [ 1 ] } }
    - { at: +2m, name: a, body: no JSON }
  stats:
    reports: 2
    custom:
      n: 2
  background:
    f: 2
`);
});

describe("an expectation", () => {
  const run = (expected: string, update: "mend" | "all"): ReturnType<typeof runReplay> =>
    runReplay({ "spec.conf": POLICY, "spec.replay.yaml": `${HEAD}${REPORTS}${expected}` }, { update });
  const textOf = ({ folder }: { folder: string }): string => readFileSync(join(folder, "spec.replay.yaml"), "utf8");

  test.each([
    ["a webhook that did not come", "webhooks: [{ name: a }, { name: a }, { name: gone }]", "expect.webhooks[2]"],
    ["a count that fell to nothing", "webhook_counts: { gone: 3 }", "expect.webhook_counts.gone"],
    ["a silence that was broken", "no_webhooks: [a]", "expect.no_webhooks"],
    ["a stat that is no more", "stats: { custom: { gone: 1 } }", "expect.stats.custom.gone"],
    ["a function that did not run", "background: { gone: 1 }", "expect.background.gone"],
    ["a line that was not logged", "logs: [never]", "expect.logs[0]"],
  ])("is not removed without =all: %s", async (_, expected, key) => {
    const expectation = `expect:\n  ${expected}\n`;
    using left = await run(expectation, "mend");
    expect([left.code, textOf(left)]).toEqual([1, `${HEAD}${REPORTS}${expectation}`]);
    expect(left.output).toStartWith("FAIL spec");
    expect(left.aside).toContain(`spec.replay.yaml:8: ${key}: --update=all removes what did not hold\n`);
    using removed = await run(expectation, "all");
    expect(removed.code).toBe(0);
    expect(removed.output).toContain(`\n  spec.replay.yaml:8  ${key}: removed\n    expected `);
    expect(textOf(removed)).not.toBe(`${HEAD}${REPORTS}${expectation}`);
  });

  test("that is replaced or added is printed", async () => {
    using updated = await run("expect:\n  webhooks:\n    - { at: +9m, name: a }\n  stats: { reports: 7 }\n", "mend");
    expect(updated.code).toBe(0);
    expect(updated.output.split("\n").slice(0, 15)).toEqual([
      expect.stringMatching(/^new  spec /),
      "  spec.replay.yaml:9  expect.webhooks[0].at: replaced",
      "    expected  +9m",
      '    got       +1m: a {"login":"joe","n":[1]}',
      expect.stringMatching(/^    at /),
      expect.stringMatching(/^    by /),
      "  spec.replay.yaml:9  expect.webhooks: added",
      "    expected  nothing",
      "    got       a no JSON",
      expect.stringMatching(/^    at /),
      expect.stringMatching(/^    by /),
      "  spec.replay.yaml:10  expect.stats.reports: replaced",
      "    expected  7",
      "    got       2",
      "never exercised in spec.conf: endpoint e",
    ]);
  });

  test("of an endpoint's value that is gone is not removed either", async () => {
    const endpoints = "endpoints: [{ at: +1s, name: e, expect: { r_attrs: { gone: 1 } } }]\n";
    using left = await run(endpoints, "mend");
    expect([left.code, textOf(left)]).toEqual([1, `${HEAD}${REPORTS}${endpoints}`]);
  });
});

test("Lua errors are expected when there were any, and silence is when there was nothing", async () => {
  expect(await update(`${HEAD}reports: [{ at: +1s, login: bad }]`)).toEndWith(`{ at: +1s, login: bad }]
expect:
  webhooks: []
  stats:
    reports: 1
    custom:
      n: 1
  errors: 1
`);
});

test("only what does not hold is changed", async () => {
  const before = `${HEAD}expect:
  # what we want
  webhooks:
    - { at: +30s..+90s, name: a } # a range that holds
    - { at: +3m, name: a }
  no_webhooks: [a, b]
  stats: { reports: 2, custom: { n: 7, gone: 1 } } # stats
  logs: [never]
  background: { f: 1 }
# the traffic follows
${REPORTS}`;
  expect(await update(before)).toBe(`${HEAD}expect:
  # what we want
  webhooks:
    - { at: +30s..+90s, name: a } # a range that holds
    - { at: +2m, name: a, body: no JSON }
  no_webhooks: [ b ]
  stats: { reports: 2, custom: { n: 2 } } # stats
  logs: []
  background: { f: 2 }
# the traffic follows
${REPORTS}`);
});

test("comments stay as often as they are written", async () => {
  expect(
    await update(`${HEAD}${REPORTS}# before
expect:
  # why
  stats: { reports: 3 } # stats
  errors: 1 # three
  # below

# between
until: +1h # end
# last
`),
  ).toBe(`${HEAD}${REPORTS}# before
expect:
  # why
  stats: { reports: 2 } # stats
  errors: 0 # three
  # below

# between
until: +1h # end
# last
`);
  expect(await update(`${HEAD}expect: # what we want\n  errors: 1\nuntil: +1s\n`)).toBe(
    `${HEAD}expect:\n  # what we want\n  errors: 0\nuntil: +1s\n`,
  );
  expect(await update(`${HEAD}expect: { errors: 1 } # flow\n# last`)).toBe(
    `${HEAD}expect: { errors: 0 } # flow\n# last`,
  );
});

describe("however the file is written:", () => {
  const indent = (text: string): string => text.replaceAll(/^(?=.)/gm, "  ");
  const expected = "expect:\n  webhooks: []\n  stats:\n    reports: 0\n    custom:\n      n: 0\n";

  test("indented", async () => {
    expect(await update(indent(HEAD))).toBe(indent(HEAD + expected));
    expect(await update(indent(`${HEAD}expect:\n  errors: 1\n  background: { f: 1 }\nuntil: +3m`))).toBe(
      indent(`${HEAD}expect:\n  errors: 0\n  background: { f: 3 }\nuntil: +3m`),
    );
  });

  test("with an end of the document before that of the file", async () => {
    expect(await update(`---\n${HEAD}# last\n...\n# behind\n`)).toBe(`---\n${HEAD}# last\n${expected}...\n# behind\n`);
  });

  test("with the line ends of Windows, and a byte order mark", async () => {
    const windows = (text: string): string => `\ufeff${text.replaceAll("\n", "\r\n")}`;
    expect(await update(windows(HEAD))).toBe(windows(HEAD + expected));
    expect(await update(windows(`${HEAD}expect:\n  errors: 1 # one\n  # below\nuntil: +1s\n`))).toBe(
      windows(`${HEAD}expect:\n  errors: 0 # one\n  # below\nuntil: +1s\n`),
    );
  });
});

describe("a file that would be wrong is left alone:", () => {
  test.each([
    [
      "an alias for what is expected",
      "http: [{ url: a, body: &e [{ name: b }] }]\nexpect: { webhooks: *e }",
      "spec.replay.yaml:5: expect: cannot be updated: write out what the alias *e stands for",
    ],
    [
      "an alias for all that is expected",
      "http: [{ url: a, body: &e { errors: 3 } }]\nexpect: *e",
      "spec.replay.yaml:5: expect: cannot be updated: write out what the alias *e stands for",
    ],
    [
      "an anchor that would be gone",
      "expect: { webhooks: [&w { name: b }] }\nhttp: [{ url: a, body: *w }]",
      /^spec\.replay\.yaml:1: cannot be updated: its new text would be wrong, in .*:5: http\[0\]\.body: the alias \*w/,
    ],
  ])("%s", async (_, rest, message) => {
    const fixture = `${HEAD}${rest}\n`;
    using run = await runReplay({ "spec.conf": POLICY, "spec.replay.yaml": fixture }, { update: "all" });
    expect({ code: run.code, output: run.output.split("\n")[0] }).toEqual({
      code: 2,
      output: expect.not.stringMatching(/^new/),
    });
    const [first] = run.aside.split("\n");
    if (typeof message === "string") expect(first).toBe(message);
    else expect(first).toMatch(message);
    expect(readFileSync(join(run.folder, "spec.replay.yaml"), "utf8")).toBe(fixture);
  });
});

test("answers of endpoints are filled in and mended", async () => {
  const updated = await update(`${HEAD}expect: { errors: 0 }
endpoints:
  - { at: +1s, name: e }
  - at: +2s
    name: e
    attrs: { y: z }
    expect: { success: false, r_attrs: { y: q, gone: 1 } } # wrong
`);
  expect(updated).toContain('- { at: +1s, name: e, expect: { success: true, r_attrs: { x: "1", y: none } } }\n');
  expect(updated).toContain("expect: { success: true, r_attrs: { y: z } } # wrong\n");
});

test("a fixture written as one flow mapping works too", async () => {
  expect(await update(`{ name: spec, config: spec.conf, start: 2026-03-01T00:00:00Z }\n`)).toContain("webhooks: []");
});

test("more webhooks than anybody reads are counted", async () => {
  expect(await update(`${HEAD}reports: [{ at: +1s, login: joe, repeat: 101 }]`)).toContain(
    "webhook_counts:\n    a: 101\n",
  );
});

describe("what cannot be expected stays a failure, and the file as it was:", () => {
  test.each([
    [
      "a request without answer",
      `setReport(function() httpRequest{ url = "http://a/" } end)`,
      "reports: [{ at: +1s }]",
    ],
    ["a configuration that raises", `error("x")`, ""],
    ["an endpoint that is not there", "", "endpoints: [{ at: +1s, name: gone }]"],
  ])("%s", async (_, policy, rest) => {
    const fixture = `${HEAD}${rest}`;
    using run = await runReplay({ "spec.conf": policy, "spec.replay.yaml": fixture }, { update: "all" });
    expect(run.code).toBe(1);
    expect(readFileSync(join(run.folder, "spec.replay.yaml"), "utf8")).toBe(fixture);
  });
});

test("a fixture that was changed meanwhile is not touched", async () => {
  const conf = `setReport(function() end)`;
  let changed = "";
  using run = await runReplay(
    { "spec.conf": conf, "spec.replay.yaml": `${HEAD}reports: [{ at: +1s }]` },
    {
      update: "all",
      verbose: true,
      print: (line) => {
        const file = /\((.*spec\.replay\.yaml):4\)/.exec(line)?.[1];
        if (file) writeFileSync((changed = file), "mine");
      },
    },
  );
  expect(run.code).toBe(2);
  expect(run.aside).toStartWith("spec.replay.yaml:1: was changed while it ran: not updated\n");
  expect(readFileSync(changed, "utf8")).toBe("mine");
});

test("a replaced file keeps its mode, a link stays a link, and nothing is left behind", () => {
  const folder = mkdtempSync(join(tmpdir(), "trackalert-spec-"));
  try {
    const [file, link] = [join(folder, "file"), join(folder, "link")];
    writeFileSync(file, "old");
    chmodSync(file, 0o640);
    symlinkSync(file, link);
    replaceFile(link, "new");
    expect(readFileSync(file, "utf8")).toBe("new");
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder).toSorted()).toEqual(["file", "link"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
