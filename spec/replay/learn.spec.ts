/** Reports that only teach before the start. */
import { expect, test } from "bun:test";

import { HEAD, runReplay } from "../support/replay.ts";

const START = Date.parse("2026-03-01T00:00:00Z") / 1000;
const report = (t: number, login: string): string => `${JSON.stringify({ t, login, remote: "192.0.2.1" })}\n`;
const POLICY = `
  addCustomStat("seen")
  addCustomWebHook("hook", { url = "http://127.0.0.1/" })
  local known = {}
  setReport(function(lt)
    incCustomStat("seen")
    local answer, problem = httpRequest{ url = "http://es/" }
    if not known[lt.login] then
      warnLog("new", { login = lt.login, now = os.time() })
      runCustomWebHook("hook", '{"login":"' .. lt.login .. '","answer":"' .. (problem or answer.status) .. '"}')
    end
    known[lt.login] = true
  end)
  setBackground("tick", function() end)
  cronScheduleBackgroundFunc("* * * * *", "tick")
`;

test("what is learnt is known at the start, and neither told, captured, counted nor answered", async () => {
  const files = {
    "spec.conf": POLICY,
    "old.jsonl": report(START - 3600, "joe") + report(START - 1, "ann"),
    "older.jsonl.gz": Bun.gzipSync(Buffer.from(report(START - 90 * 86_400, "bob"))),
    "new.jsonl": ["joe", "ann", "bob", "eve"].map((login, i) => report(START + i, login)).join(""),
    "spec.replay.yaml": `${HEAD}
learn: [old.jsonl, older.jsonl.gz]
reports: new.jsonl
until: +2m
http: [{ url: "http://es/", status: 200 }, { url: "http://es/", status: 201 }]
expect:
  webhooks: [{ at: +3s, name: hook, body: { login: eve, answer: "201" } }]
  stats: { reports: 4, custom: { seen: 4 } }
  background: { tick: 2 }
  logs: ['^warning: new: login="eve" now="${START + 3}"']
`,
  };
  using run = await runReplay(files, { verbose: true });
  expect(run.output).toContain("1 passed");
  expect(run.code).toBe(0);
  expect(run.output).toContain("+0s  http GET http://es/: 200");
  expect(run.output.match(/ report /g)).toHaveLength(4);
});

test("a mistake of the policy counts while it learns, too", async () => {
  using run = await runReplay({
    "spec.conf": "setReport(function(lt) error('no') end)",
    "old.jsonl": report(START - 1, "joe"),
    "spec.replay.yaml": `${HEAD}learn: old.jsonl\nexpect: { errors: 0 }\n`,
  });
  expect(run.code).toBe(1);
});

test.each([
  ["learn: old.jsonl", "old.jsonl:1: t: 2026-03-01T00:00:00Z is not before `start`: what is learnt comes before it"],
  ["learn: nowhere.jsonl", /^spec\.replay\.yaml:4: learn: "nowhere\.jsonl" cannot be read: ENOENT/],
])("%s is an error with file and line", async (line, problem) => {
  using run = await runReplay({ "spec.conf": "", "old.jsonl": report(START, "joe"), "spec.replay.yaml": HEAD + line });
  expect(run.code).toBe(2);
  const [first] = run.aside.split("\n");
  if (typeof problem === "string") expect(first).toBe(problem);
  else expect(first).toMatch(problem);
});
