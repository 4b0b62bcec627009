/** --record: what the daemon writes is what a replay reads. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Log } from "../../lib/log/log.ts";
import { readLoginTuple } from "../../lib/login-tuple.ts";
import { Recorder } from "../../lib/replay/recorder.ts";
import { VirtualClock } from "../../lib/replay/virtual-clock.ts";
import { Metrics } from "../../lib/stats/metrics.ts";
import { toByteString } from "../../lib/text/byte-string.ts";
import { parseJson } from "../../lib/text/json.ts";
import { AUTHORIZATION, PREAMBLE, temporaryFolder } from "../support/daemon.ts";
import { startProgram } from "../support/program.ts";
import { runReplay } from "../support/replay.ts";

const NOW = Date.UTC(2026, 2, 1);
const RECEIPT = `"received_at":${NOW / 1000}`;

/** A recorder whose clock stands still, and what it logs. */
async function startRecorder(file: string, redact = false) {
  const logs: string[] = [];
  const clock = new VirtualClock(NOW);
  const metrics = new Metrics();
  const log = new Log({ sink: (line) => logs.push(line) });
  const recorder = await Recorder.open(file, { clock, log, metrics, redact });
  const record = (body: string): void => {
    const bytes = toByteString(body);
    recorder.record(
      bytes,
      readLoginTuple(parseJson(bytes), NOW / 1000, () => []),
      NOW / 1000,
    );
  };
  return { recorder, record, logs, clock, metrics };
}

/** Records bodies. @returns the lines of the file */
async function recorded(bodies: string[], redact = false): Promise<string[]> {
  using folder = temporaryFolder();
  const file = join(folder.path, "out.jsonl");
  const { recorder, record } = await startRecorder(file, redact);
  for (const body of bodies) record(body);
  await recorder.close();
  const text = readFileSync(file, "latin1");
  expect(text).toEndWith("\n");
  return text.slice(0, -1).split("\n");
}

/** What a file holds, without the times of receipt. */
const reportsIn = (file: string): string => readFileSync(file, "utf8").replace(/,"received_at":[\d.]+\}$/gm, "}");

describe("a line", () => {
  test.each([
    ['{"t":1.5,"login":"joe"}', `{"t":1.5,"login":"joe",${RECEIPT}}`],
    ['{"login":"joe"}', `{"login":"joe","t":${NOW / 1000},${RECEIPT}}`],
    ["{}", `{"t":${NOW / 1000},${RECEIPT}}`],
    ['\r\n{\n  "login": "j\\noe"\n}\n', `{   "login": "j\\noe","t":${NOW / 1000},${RECEIPT}}`],
    ['{"t":"x","login":"ü"}', `{"t":"x","login":"Ã¼","t":${NOW / 1000},${RECEIPT}}`],
  ])("of %p", async (body, line) => {
    expect(await recorded([body])).toEqual([line]);
  });

  test("that cannot be written costs no report: it is counted and said", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "out.jsonl");
    const { recorder, logs, metrics } = await startRecorder(file, true);
    const tuple = readLoginTuple(parseJson(toByteString("{}")), 0, () => []);
    recorder.record(toByteString("{"), tuple, 0);
    await recorder.close();
    expect(logs.join("\n")).toContain("reports are not recorded: not JSON");
    expect(await metrics.format()).toContain("trackalert_record_lost_total 1\n");
  });

  test.each([false, true])(
    "with a t that cannot be right is replayed at its receipt (redacted: %p)",
    async (redact) => {
      const times = [-5.5, 0, NOW, NOW / 1000 + 86_401, NOW / 1000 + 86_399, NOW / 1000, 1e300, 946_684_799];
      const lines = await recorded(
        times.map((t) => JSON.stringify({ t, login: "joe" })),
        redact,
      );
      using replayed = await runReplay({
        "spec.conf": "setReport(function(lt) end)",
        "out.jsonl": Buffer.from(`${lines.join("\n")}\n`, "latin1"),
        "spec.replay.yaml":
          "name: spec\nconfig: spec.conf\nstart: 2026-03-01T00:00:00Z\nuntil: +2d\nreports: out.jsonl\nexpect: { stats: { reports: 8 } }",
      });
      expect(replayed.code).toBe(0);
    },
  );

  test("that a replay would refuse is not written", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "out.jsonl");
    const { recorder, record, logs, metrics } = await startRecorder(file, true);
    record(`{"login":"x","attrs":{"k":[${"1e20,".repeat(60_000)}1]}}`);
    record('{"login":"x"}');
    await recorder.close();
    expect(readFileSync(file, "utf8").split("\n")).toHaveLength(2);
    expect(logs.join("\n")).toContain("a report is longer than a replay reads");
    expect(await metrics.format()).toContain("trackalert_record_lost_total 1\n");
  });
});

describe("redacted", () => {
  const body = (login: string, remote: string): string =>
    JSON.stringify({ login, remote, pwhash: "ea39", attrs: { a: "b" }, t: 5 });
  const parsed = async (...bodies: string[]) =>
    (await recorded(bodies, true)).map((line) => JSON.parse(line) as Record<string, string>);

  test("there is no password hash, no login and no address, and the rest is as it was", async () => {
    const [report] = await parsed(body("joe", "192.0.2.1"));
    expect(report).toEqual({
      login: expect.stringMatching(/^[\w-]{16}$/),
      remote: expect.any(String),
      attrs: { a: "b" },
      t: 5,
      received_at: NOW / 1000,
    } as never);
    expect(JSON.stringify(report)).not.toMatch(/joe|192\.0\.2\.1|ea39/);
  });

  test("what was equal is equal, what was not is not, and families are kept", async () => {
    const addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "192.0.2.1:993", "::ffff:192.0.2.2"];
    const reports = await parsed(...addresses.map((address, i) => body(`user${i % 2}`, address)));
    const [a, b, c, d, e, f] = reports.map(({ remote }) => remote!);
    expect([e, f]).toEqual([a, b] as never);
    expect(new Set([a, b, c, d]).size).toBe(4);
    expect([a, b].every((address) => /^\d+\.\d+\.\d+\.\d+$/.test(address!))).toBe(true);
    expect([c, d].every((address) => address!.startsWith("fd"))).toBe(true);
    expect(new Set(reports.map(({ login }) => login)).size).toBe(2);
    expect(reports[0]!["login"]).toBe(reports[2]!["login"]!);
  });

  test("no two addresses become one", async () => {
    const addresses = Array.from({ length: 20_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    const reports = await parsed(...addresses.map((address) => body("joe", address)));
    expect(new Set(reports.map(({ remote }) => remote)).size).toBe(addresses.length);
  });

  test("what is not there does not come in, and nobody stays nobody", async () => {
    expect(await parsed('{"t":5}', '{"t":5,"login":"","remote":""}')).toEqual([
      { t: 5, received_at: NOW / 1000 },
      { t: 5, login: "", remote: "0.0.0.0", received_at: NOW / 1000 },
    ] as never);
  });

  test("only what policies see is kept, of types that they see", async () => {
    const report = { t: 5, login: { name: "joe" }, tls: true, session_id: "s", user: "joe", pwhash: ["ea39"] };
    expect(await parsed(JSON.stringify(report))).toEqual([
      { t: 5, tls: true, session_id: "s", received_at: NOW / 1000 },
    ] as never);
  });

  test("two runs have different hashes", async () => {
    const [[one], [other]] = [await parsed(body("joe", "192.0.2.1")), await parsed(body("joe", "192.0.2.1"))];
    expect(one!["login"]).not.toBe(other!["login"]!);
  });
});

describe("the file", () => {
  test("is for its owner alone, and is appended to", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "out.jsonl");
    for (const t of [1, 2]) {
      const { recorder, record } = await startRecorder(file);
      record(`{"t":${t}}`);
      await recorder.close();
    }
    expect(reportsIn(file)).toBe('{"t":1}\n{"t":2}\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("becomes its owner's alone if it was there before", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "out.jsonl");
    writeFileSync(file, '{"t":1}\n', { mode: 0o644 });
    const { recorder } = await startRecorder(file);
    await recorder.close();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("is written after a moment without more reports", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "out.jsonl");
    const { recorder, record, clock } = await startRecorder(file);
    record('{"t":1}');
    await clock.advanceTo(NOW + 200);
    while (readFileSync(file, "utf8") === "") await Bun.sleep(1);
    expect(reportsIn(file)).toBe('{"t":1}\n');
    await recorder.close();
  });

  test("is opened anew on demand, and no report is lost over it", async () => {
    using folder = temporaryFolder();
    const [file, moved] = [join(folder.path, "out.jsonl"), join(folder.path, "old.jsonl")];
    const { recorder, record } = await startRecorder(file);
    record('{"t":1}');
    renameSync(file, moved);
    recorder.reopen();
    record('{"t":2}');
    await recorder.close();
    expect([moved, file].map((path) => reportsIn(path))).toEqual(['{"t":1}\n', '{"t":2}\n']);
  });

  test("that cannot be opened anew stays open", async () => {
    using folder = temporaryFolder();
    const inner = join(folder.path, "inner");
    mkdirSync(inner);
    const { recorder, record, logs } = await startRecorder(join(inner, "out.jsonl"));
    renameSync(inner, join(folder.path, "gone"));
    recorder.reopen();
    record('{"t":1}');
    await recorder.close();
    expect(logs).toEqual([expect.stringMatching(/^--record .*out\.jsonl: cannot be written: ENOENT$/)]);
    expect(reportsIn(join(folder.path, "gone", "out.jsonl"))).toBe('{"t":1}\n');
  });

  test.each([
    ['{"t":1}\n{"t":2,"lo', '{"t":1}\n{"t":9}\n', /half a line at its end, 10 bytes, was cut off$/],
    ['{"t":1}\n{"t":2}', '{"t":1}\n{"t":2}\n{"t":9}\n', undefined],
    ['{"t":1', '{"t":9}\n', /half a line at its end, 6 bytes, was cut off$/],
  ])("that ended with %p goes on with whole lines", async (before, after, message) => {
    using folder = temporaryFolder();
    const file = join(folder.path, "out.jsonl");
    writeFileSync(file, before);
    const { recorder, record, logs } = await startRecorder(file);
    record('{"t":9}');
    await recorder.close();
    expect(reportsIn(file)).toBe(after);
    expect(logs).toEqual(message ? [expect.stringMatching(message)] : []);
  });

  test.each([
    ...["root:x:0:0", "x".repeat(3_000_000), 'infoLog("x")\n', "\n", '{"t":1}\n[1]\n', 'a = 1\n{"t":1}'],
    `${"x".repeat(3_000_000)}\n`,
  ])("that holds something else is not touched", async (content) => {
    using folder = temporaryFolder();
    const file = join(folder.path, "other");
    writeFileSync(file, content, { mode: 0o644 });
    await expect(startRecorder(file)).rejects.toThrow("holds something else than reports");
    expect(readFileSync(file, "utf8") === content).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o644);
  });

  test("that is no file, or cannot be written, is refused", async () => {
    using folder = temporaryFolder();
    await expect(startRecorder(folder.path)).rejects.toThrow(/EISDIR|no regular file/);
    await expect(startRecorder(join(folder.path, "no", "such"))).rejects.toThrow("cannot be written: ENOENT");
    await expect(startRecorder("/dev/null")).rejects.toThrow("is no regular file");
  });
});

test("a full disk costs reports and not the daemon, is told, and leaves whole lines", async () => {
  using folder = temporaryFolder();
  // A limit on the size of files fails writes as a full disk does. It holds for a process, so it needs one of its own.
  const file = join(folder.path, "out.jsonl");
  const script = join(folder.path, "fill.ts");
  const lib = join(import.meta.dir, "..", "..", "lib");
  writeFileSync(
    script,
    `import { systemClock } from "${lib}/time/clock.ts";
    import { Log } from "${lib}/log/log.ts";
    import { Metrics } from "${lib}/stats/metrics.ts";
    import { Recorder } from "${lib}/replay/recorder.ts";
    process.on("SIGXFSZ", () => {});
    const [metrics, log] = [new Metrics(), new Log({ sink: (line) => console.log(line) })];
    const recorder = await Recorder.open(${JSON.stringify(file)}, { clock: systemClock, log, metrics, redact: false });
    const body = JSON.stringify({ t: 1, login: "x".repeat(900) });
    for (let i = 0; i < 400; i++) { recorder.record(body, { t: 1 }, 0); if (i % 50 === 0) await Bun.sleep(1); }
    await recorder.close();
    console.log((await metrics.format()).match(/trackalert_record_lost_total \\d+/)[0]);`,
  );
  const { stdout, exitCode } = Bun.spawnSync(["bash", "-c", `ulimit -f 100; exec "$0" "$1"`, process.execPath, script]);
  expect(exitCode).toBe(0);
  const lines = stdout.toString().trim().split("\n");
  expect(lines[0]).toMatch(/^--record .*out\.jsonl: reports are not recorded: EFBIG$/);
  const kept = readFileSync(file, "utf8");
  expect(kept).toEndWith("}\n");
  const lost = Number(/\d+$/.exec(lines.at(-1)!)![0]);
  expect(kept.split("\n").length - 1 + lost).toBe(400);
  expect(lost).toBeWithin(1, 400);
});

test("SIGHUP opens the recording anew, with redaction too", async () => {
  using folder = temporaryFolder();
  const [conf, file, moved] = ["spec.conf", "out.jsonl", "old.jsonl"].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(conf, PREAMBLE);
  await using program = startProgram(["-s", "-C", conf, "--record", file, "--record-redact"]);
  const [, address] = await program.waitFor(/listening on (\S+)/);
  const report = async (): Promise<void> => {
    const body = JSON.stringify({ t: 1, login: "joe", remote: "192.0.2.1", pwhash: "ea39" });
    const init = { method: "POST", headers: AUTHORIZATION, body };
    expect((await fetch(`http://${address}/?command=report`, init)).status).toBe(200);
  };
  await report();
  renameSync(file, moved);
  program.kill("SIGHUP");
  await program.waitFor(/reloaded/);
  await report();
  program.kill("SIGTERM");
  expect((await program.ended).code).toBe(0);
  const [before, after] = [moved, file].map((path) => reportsIn(path));
  expect(before).toMatch(/^\{"t":1,"login":"[\w-]{16}","remote":"[\d.]+"\}\n$/);
  expect(after).toBe(before!);
});

test("a daemon's recording is replayed with the same result", async () => {
  using folder = temporaryFolder();
  const [conf, file] = [join(folder.path, "spec.conf"), join(folder.path, "out.jsonl")];
  writeFileSync(conf, `${PREAMBLE} setReport(function(lt) infoLog("got " .. lt.login .. " " .. #lt.pwhash) end)`);
  await using program = startProgram(["-s", "-C", conf, "--record", file]);
  const [, address] = await program.waitFor(/listening on (\S+)/);
  const traffic = readFileSync(
    join(import.meta.dir, "..", "..", "fixtures", "traffic", "wforce-reports.jsonl"),
    "utf8",
  );
  const bodies = traffic.trimEnd().split("\n").slice(0, 50);
  const post = (body: string): Promise<Response> =>
    fetch(`http://${address}/?command=report`, { method: "POST", headers: AUTHORIZATION, body });
  for (const body of bodies) expect((await post(body)).status).toBe(200);
  expect((await post("no JSON")).status).toBe(400);
  program.kill("SIGTERM");
  expect((await program.ended).code).toBe(0);
  expect(reportsIn(file)).toBe(bodies.map((body) => `${body}\n`).join(""));

  const fixture = `name: spec\nconfig: spec.conf\nstart: 2026-11-22T06:34:53Z\nreports: out.jsonl\nexpect: { stats: { reports: 50 } }`;
  using run = await runReplay({
    "spec.conf": readFileSync(conf),
    "out.jsonl": readFileSync(file),
    "spec.replay.yaml": fixture,
  });
  expect(run.code).toBe(0);
});
