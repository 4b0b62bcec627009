/** What configurations say of channels, and what is said of that. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { toByteString } from "../../lib/text/byte-string.ts";
import { PREAMBLE, startDaemon, temporaryFolder } from "../support/daemon.ts";
import { runProgram } from "../support/program.ts";
import { startReceiver } from "../support/webhooks.ts";

/** Each kind, with secrets wherever one can be. */
const EACH_KIND = `
addAlertChannel("hook", { kind = "webhook", url = "https://u5er:s3cret@hooks.example/s3cret?token=s3cret", secret = "s3cret", headers = { ["x-key"] = "s3cret" } })
addAlertChannel("am", { kind = "alertmanager", url = "https://am.example/s3cret/", bearer = "s3cret", redact = true })
addAlertChannel("chat", { kind = "slack", url = "https://hooks.slack.example/services/T0/s3cret", types = { "a", "b" }, summary = true })
addAlertChannel("block", { kind = "wforce", url = "https://wforce.example:8084/", password = "s3cret", types = { "a" }, min_severity = "high" })
addAlertChannel("mail", { kind = "mail", relay = "smtp://u5er:s3cret@mail.example", from = "a@b.example", to = "c@d.example" })
`;

describe("--check-config", () => {
  const run = async (...args: string[]): Promise<string> => {
    using folder = temporaryFolder();
    const file = join(folder.path, "spec.conf");
    writeFileSync(file, PREAMBLE + EACH_KIND);
    const { code, output, errors } = await runProgram(["--check-config", "-C", file, ...args]);
    expect([code, errors]).toEqual([0, ""]);
    return output;
  };

  test("tells each channel's receiver, and no secret of it", async () => {
    const output = await run();
    expect(/^alert channels +(.*)$/m.exec(output)?.[1]?.replaceAll("), ", ")\n").split("\n")).toEqual([
      "hook (webhook, https://hooks.example/…, from medium)",
      "am (alertmanager, https://am.example/…, from medium, redacted)",
      "chat (slack, https://hooks.slack.example/…, from medium, a b, summary)",
      "block (wforce, https://wforce.example:8084/…, from high, a)",
      "mail (mail, smtp://mail.example:587, from medium)",
    ]);
    expect(output).toMatch(/^webhooks +none$/m);
    expect(output).not.toMatch(/s3cret|u5er/);
  });

  test("tells them as JSON, and no secret either", async () => {
    const output = await run("--json");
    expect(output).not.toMatch(/s3cret|u5er/);
    expect(output).toContain("smtp://mail.example:587");
  });
});

test("no secret of a channel is in the log, on the console or in the metrics", async () => {
  await using daemon = await startDaemon(EACH_KIND);
  const hooks = await daemon.loaded.engine.runConsole(toByteString("showCustomWebHooks()"));
  const metrics = await daemon.loaded.metrics.format();
  expect(hooks).toContain("https://hooks.slack.example/");
  expect(metrics).toContain("https://hooks.slack.example/");
  expect([...daemon.logs, hooks, metrics].join("\n")).not.toMatch(/s3cret|u5er/);
});

describe("a channel", () => {
  const SLACK = `{ kind = "slack", url = "https://h.example/s3cret" }`;

  test.each([
    [
      `addAlertChannel("c", { kind = "slack", url = "ftp://h/s3cret" })`,
      `channel "c": key 'url' must be http or https`,
    ],
    [`addAlertChannel("c", { kind = "slack", url = "s3cret" })`, `channel "c": key 'url' is no url`],
    [
      `addAlertChannel("c", { kind = "alertmanager", url = "https://h.example/?s3cret" })`,
      `channel "c": key 'url' must end before the path /api/v2/alerts, which is added`,
    ],
    [
      `addAlertChannel("c", { kind = "mail", relay = "http://u:s3cret@h", from = "a@b", to = "a@b" })`,
      `channel "c": key 'relay' must be smtp://user:password@host:587 or smtps://…`,
    ],
    [
      `addAlertChannel("c", { kind = "mail", relay = "smtp://h/?s3cret", from = "a@b", to = "a@b" })`,
      `channel "c": key 'relay' must be smtp://user:password@host:587 or smtps://…`,
    ],
    [
      `addAlertChannel("c", { kind = "mail", relay = "smtp://h", from = "a@b", to = {} })`,
      `channel "c": key 'to' is empty`,
    ],
    [
      `addAlertChannel("c", { kind = "mail", relay = "smtp://h", from = "a@b", to = { "a@b", "x" } })`,
      `channel "c": key 'to' must be an address such as security@example.org`,
    ],
    [
      `addAlertChannel("c", { kind = "mail", relay = "smtp://h", from = "a@b", to = "a@b", subject = "%{password}" })`,
      `channel "c": key 'subject' has %{…} of what is not type, severity, login, remote, message, host, count`,
    ],
    [
      `addAlertChannel("c", { kind = "slack", url = "https://h.example", types = "spray" })`,
      `channel "c": key 'types' must be a list of types such as { "password_spray" }`,
    ],
    [
      `addAlertChannel("c", { kind = "slack", url = "https://h.example", redact = true, summary = true })`,
      `channel "c": key 'summary' and 'redact' exclude each other: a summary names logins`,
    ],
    [
      `addAlertChannel("c", { kind = "slack", url = "https://h.example", redact = "yes" })`,
      `channel "c": key 'redact' must be true or false`,
    ],
    [
      `addAlertChannel("c", { kind = "wforce", url = "https://h.example", password = "s3cret", types = { "a" }, expire = "0s" })`,
      `channel "c": key 'expire' must be a `,
    ],
    [
      `addAlertChannel("c", { kind = "slack", url = "https://h.example", [1] = "s3cret" })`,
      `channel "c": key '1' is unknown: a channel of kind slack has kind, min_severity, types, `,
    ],
    [
      `addAlertChannel("c", { kind = "slack", url = "https://h.example", timeout = "0" })`,
      `channel "c": key 'timeout' `,
    ],
    [
      `addAlertChannel("c", { kind = "slack", url = "https://h.example", ca = "none.pem" })`,
      `none.pem" cannot be read: ENOENT`,
    ],
    [`addAlertChannel("", ${SLACK})`, "bad argument #1 to 'addAlertChannel'"],
    [`addAlertChannel("a\\nb", ${SLACK})`, "bad argument #1 to 'addAlertChannel'"],
    [`addAlertChannel("c")`, "bad argument #2 to 'addAlertChannel' (table expected, got no value)"],
    [
      `addAlertChannel("c", ${SLACK}) addAlertChannel("c", ${SLACK})`,
      `addAlertChannel: an alert channel is named "c" a`,
    ],
    [
      `addCustomWebHook("c", { url = "https://h.example" }) addAlertChannel("c", ${SLACK})`,
      `addAlertChannel: a webhook is named "c" already`,
    ],
    [
      `addAlertChannel("c", ${SLACK}) addCustomWebHook("c", { url = "https://h.example" })`,
      `addCustomWebHook: an alert channel is named "c" already`,
    ],
  ])("is refused with the configuration's line: %s", async (call, problem) => {
    const error = await startDaemon(`\n\n${call}`).then(
      () => expect.unreachable(),
      ({ message }: Error) => message,
    );
    expect(error).toMatch(/^\/\S+\/spec\.conf:3: /);
    expect(error).toContain(problem);
    expect(error).not.toContain("s3cret");
  });

  test("is not added by anything but the configuration", async () => {
    await using daemon = await startDaemon(`${PREAMBLE} setReport(function() addAlertChannel("late", ${SLACK}) end)`);
    const said = await daemon.loaded.engine.runConsole(toByteString(`addAlertChannel("late", ${SLACK})`));
    expect(said).toContain("addAlertChannel: only the configuration can do this");
    await daemon.post("/?command=report", { login: "joe", remote: "192.0.2.1", success: true });
    expect(daemon.logs.join("\n")).toContain("addAlertChannel() has no effect in a report function");
    expect(daemon.loaded.config.channels).toEqual([]);
  });

  test("gets alerts alone: runCustomWebHook with its name is a complaint", async () => {
    using receiver = startReceiver();
    await using daemon = await startDaemon(`addAlertChannel("c", { kind = "webhook", url = "${receiver.url}" })`);
    await daemon.loaded.engine.runConsole(toByteString(`runCustomWebHook("c", "{}")`));
    await daemon.loaded.webhooks.drain();
    expect(daemon.logs.join("\n")).toContain(`runCustomWebHook: "c" is an alert channel: alert{} sends to it`);
    expect(receiver.received).toEqual([]);
  });
});
