/** Against Prometheus Alertmanager itself. */
import { expect, test } from "bun:test";

import { alertmanagerBody } from "../../lib/alerts/formats/alertmanager.ts";
import { toByteString } from "../../lib/text/byte-string.ts";
import { startDaemon, temporaryFolder } from "../support/daemon.ts";

const BINARY = Bun.which("prometheus-alertmanager") ?? undefined;
const NEEDED = BINARY ? "" : " (prometheus-alertmanager is not installed)";

interface Shown {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  status: { state: string };
}

function freePort(): number {
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  return server.port!;
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  while (true) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    await Bun.sleep(50);
  }
}

test.skipIf(!BINARY)(`Alertmanager has an alert, silences it, and resolves it when it is final${NEEDED}`, async () => {
  using folder = temporaryFolder();
  const url = `http://127.0.0.1:${freePort()}`;
  await Bun.write(`${folder.path}/config.yml`, "route: { receiver: none }\nreceivers: [ { name: none } ]\n");
  const alertmanager = Bun.spawn(
    [
      BINARY!,
      `--config.file=${folder.path}/config.yml`,
      `--storage.path=${folder.path}/data`,
      `--web.listen-address=${url.slice(7)}`,
      "--cluster.listen-address=",
    ],
    { stdout: "ignore", stderr: "ignore" },
  );
  try {
    await until(async () => ((await fetch(`${url}/-/ready`)).ok ? true : undefined));
    const list = async (): Promise<Shown[]> => (await fetch(`${url}/api/v2/alerts`)).json() as Promise<Shown[]>;
    await using daemon = await startDaemon(`addAlertChannel("am", { kind = "alertmanager", url = "${url}/" })`);
    const raise = `alert{ type = "brute_force", login = "j\\xffoe", remote = "192.0.2.1", evidence = { n = 1 } }`;
    await daemon.loaded.engine.runConsole(toByteString(raise));
    const [shown] = await until(async () => ((await list()).length > 0 ? list() : undefined));
    expect(shown!.labels).toEqual({
      alertname: "brute_force",
      severity: "medium",
      login: "j\ufffdoe",
      remote: "192.0.2.1",
    });
    expect(shown!.annotations).toMatchObject({ description: '{"n":1}', count: "1" });
    const now = Date.now();
    await fetch(`${url}/api/v2/silences`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        matchers: [{ name: "alertname", value: "brute_force", isRegex: false }],
        startsAt: new Date(now).toISOString(),
        endsAt: new Date(now + 3_600_000).toISOString(),
        createdBy: "spec",
        comment: "spec",
      }),
    });
    await until(async () => ((await list())[0]?.status.state === "suppressed" ? true : undefined));
    const kept = await daemon.loaded.alerts.list({}, 1, { beside: false });
    daemon.loaded.channels.ended({ ...("answer" in kept ? kept.answer[0]! : expect.unreachable()), count: 2 });
    await until(async () => ((await list()).length === 0 ? true : undefined));
    expect(daemon.loaded.webhooks.counts(daemon.loaded.config.webhooks.hooks[0]!)).toEqual({
      successes: 2,
      failures: 0,
    });
  } finally {
    alertmanager.kill();
    await alertmanager.exited;
  }
});

test("what comes late to Alertmanager ends a few minutes ahead; what is final ends now", () => {
  const end = Date.UTC(2026, 10, 22, 12);
  const event = { first: new Date(end - 3_600_000).toISOString(), until: new Date(end).toISOString(), count: 3 };
  const endsAt = (fields: object, now: number): number => {
    const body = alertmanagerBody(Buffer.from(JSON.stringify({ ...event, ...fields })), now);
    return Date.parse((JSON.parse(body.toString()) as { endsAt: string }[])[0]!.endsAt);
  };
  expect(endsAt({}, end - 1000)).toBe(end);
  const dayLater = end + 86_400_000;
  expect(endsAt({}, dayLater)).toBe(dayLater + 300_000);
  expect(endsAt({ final: true }, end + 1000)).toBe(end + 1000);
  expect(endsAt({ final: true }, dayLater)).toBe(dayLater + 300_000);
});
