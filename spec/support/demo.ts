/**
 * `bun run demo`: a daemon on a free port, with conf/policies and a history in a temporary folder, learns the quiet month of some
 * logins, and is then attacked over HTTP; its alerts are printed as they come, and what to type next. At a terminal it stays
 * until Ctrl-C. Then all of it is gone.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import type { AlertJson } from "../../lib/alerts/alert.ts";
import { ATTACKS } from "./attacks.ts";
import { AUTHORIZATION, PASSWORD, temporaryFolder } from "./daemon.ts";
import { BEFORE, DEFAULT_SET, policies } from "./month-replay.ts";
import { writeGeoIP } from "./month-world.ts";
import { FIRST_AT_HOME, loginOf, MONTH_DAYS, MONTH_START, quietMonth, type Report } from "./month.ts";
import { startProgram } from "./program.ts";

/** Seconds; a live attack cannot take a day, so slow ones are left to the replay of the month. */
const LONGEST = 3 * 3600;
/** Milliseconds in which the last alert comes. */
const PATIENCE = 3000;
const NUMBER_AT_HOME = 8;
/** What goes by the hour or the day has nothing to say in seconds. */
const LIVE = DEFAULT_SET.filter((name) => name !== "volume" && name !== "daily_summary");

const coloured = process.stdout.isTTY === true && !process.env["NO_COLOR"];
const SGR = { low: 36, medium: 33, high: 31, critical: 35, bold: 1, dim: 2 };
const paint = (style: keyof typeof SGR, text: string): string =>
  coloured ? `\x1b[${SGR[style]}m${text}\x1b[0m` : text;
const say = (line = ""): void => void process.stdout.write(`${line}\n`);

/** A port that nobody uses now, for the console: the configuration names it to both sides. */
function freePort(): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  void server.stop(true);
  return server.port!;
}

const configuration = (alerts: string, key: string): string => `
addListener("127.0.0.1:0", false, "", "", {})
setWebserverPassword("${PASSWORD}")
controlSocket("127.0.0.1:${freePort()}")
setKey("${key}")
setStateDir("state")
${policies(LIVE)}
addAlertChannel("demo", { kind = "webhook", url = "${alerts}", min_severity = "low" })
`;

/** What the daemon knows of the logins that will be attacked: their month, until now. */
function pastOf(now: number): Report[] {
  const shift = now - (MONTH_START + MONTH_DAYS * 86_400);
  const logins = new Set(Array.from({ length: NUMBER_AT_HOME }, (_, i) => loginOf(FIRST_AT_HOME + i)));
  const month = quietMonth().filter(({ login }) => logins.has(login));
  return [...BEFORE, ...month].map((one) => ({ ...one, t: one.t + shift }));
}

function showAlert({ severity, type, message, evidence }: AlertJson): void {
  const time = new Date().toTimeString().slice(0, 8);
  say(`  ${paint("dim", time)} ${paint(severity, severity.padEnd(8))} ${paint("bold", type)}  ${message}`);
  if (evidence) say(`           ${paint("dim", JSON.stringify(evidence))}`);
}

async function demo(stopped: Promise<void>): Promise<void> {
  using folder = temporaryFolder();
  const file = (name: string): string => join(folder.path, name);
  const expected = new Set<string>();
  const { promise: allCame, resolve } = Promise.withResolvers<void>();
  using receiver = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const alert = (await request.json()) as AlertJson;
      if (!alert.final) showAlert(alert);
      expected.delete(`${alert.type} ${alert.login ?? alert.remote ?? ""}`);
      if (expected.size === 0) resolve();
      return new Response();
    },
  });
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64");
  writeGeoIP(folder.path);
  writeFileSync(file("demo.conf"), configuration(receiver.url.href, key));
  const past = pastOf(Date.now() / 1000);
  writeFileSync(file("past.jsonl"), past.map((one) => `${JSON.stringify(one)}\n`).join(""));

  say(`A month of ${past.length.toLocaleString("en")} login reports teaches the history (trackalert --import) ...`);
  await using importing = startProgram(["-C", file("demo.conf"), "--import", file("past.jsonl")]);
  const imported = await Promise.race([importing.ended, stopped]);
  if (!imported) return;
  if (imported.code !== 0) throw new Error(`the import failed: ${imported.output}${imported.errors}`);

  await using daemon = startProgram(["-s", "-C", file("demo.conf")]);
  const [, address] = await daemon.waitFor(/listening on (\S+)/);
  const url = `http://${address}/`;
  say(`A daemon listens on ${address}. Now it is attacked:`);
  const attacks = ATTACKS.filter(({ from, reports }) => reports.length < 600 && reports.at(-1)!.t - from < LONGEST);
  for (const one of attacks.flatMap((attack) => attack.expected)) {
    expected.add(`${one.type} ${one.login ?? one.remote ?? ""}`);
  }
  let stop = false;
  void stopped.then(() => (stop = true));
  for (const { name, what, reports } of attacks) {
    say(`${paint("bold", name)}: ${what}`);
    for (const { t: _, ...report } of reports) {
      if (stop) return;
      const options = { method: "POST", headers: AUTHORIZATION, body: JSON.stringify(report) };
      const { status } = await fetch(`${url}?command=report`, options);
      if (status !== 200) throw new Error(`the daemon answered ${status}`);
    }
  }
  await Promise.race([allCame, stopped, Bun.sleep(PATIENCE)]);
  if (expected.size > 0) say(`Not raised: ${[...expected].join(", ")}`);
  say();
  say("What to type next, in another terminal:");
  say(`  bun index.ts -c ${file("demo.conf")}   # the console: showAlerts(), showHistory(), help()`);
  say(`  curl -u any:${PASSWORD} '${url}?command=alerts&limit=3'`);
  say(`  curl -u any:${PASSWORD} ${url}metrics`);
  say("  less conf/trackalert.conf conf/policies/brute_force.lua   # the policies and their options");
  say("  bun start   # a daemon of your own");
  if (!process.stdin.isTTY) return;
  say(paint("dim", "The daemon runs until Ctrl-C."));
  await stopped;
}

const { promise: stopped, resolve: interrupt } = Promise.withResolvers<void>();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt());
await demo(stopped);
process.exit(0);
