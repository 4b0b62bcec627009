import { describe, expect, test } from "bun:test";

import { PREAMBLE, startDaemon } from "../support/daemon.ts";

describe("addCustomWebHook", () => {
  test.each([
    ["{}", /webhook "h": key 'url' is missing/],
    ["{ url = 'no url' }", /key 'url' is no url: "no url"/],
    ["{ url = '' }", /key 'url' is no url/],
    ["{ url = 'ftp://h/' }", /key 'url' must be http or https/],
    ["{ url = 'file:///etc/passwd' }", /key 'url' must be http or https/],
    ["{ url = {} }", /key 'url' must be a string/],
    ["{ url = 'http://h/', ['api-key'] = 'a\\nb' }", /key 'api-key' has a character that would break a header/],
    ["{ url = 'http://h/', ['content-type'] = 'a\\r\\nX: y' }", /key 'content-type' has a character/],
    ["'http://h/'", /bad argument #2 to 'addCustomWebHook' \(table expected, got string\)/],
    ["", /bad argument #2 to 'addCustomWebHook' \(table expected, got no value\)/],
  ])("with %s ends the start", async (keys, message) => {
    await expect(startDaemon(`addCustomWebHook("h"${keys && ", "}${keys})`)).rejects.toThrow(message);
  });

  test("takes a name once, and one that can stand in a header", async () => {
    await expect(startDaemon(`for i = 1, 2 do addCustomWebHook("h", { url = "http://h/" }) end`)).rejects.toThrow(
      'a webhook is named "h" already',
    );
    await expect(startDaemon(`addCustomWebHook("a\\nb", { url = "http://h/" })`)).rejects.toThrow(
      "name that can stand in a header",
    );
  });

  test("does not use an id up when it fails, and warns of keys that it does not know", async () => {
    await using daemon = await startDaemon(`pcall(addCustomWebHook, "bad", {})
      addCustomWebHook("good", { url = "http://h/", num_conns = 5, typo = "x" })`);
    expect(daemon.loaded.config.webhooks.hooks).toMatchObject([{ id: 1, name: "good" }]);
    expect(daemon.logs.filter((line) => line.includes("key"))).toEqual([
      `addCustomWebHook: webhook "good": unknown key 'typo' is ignored`,
    ]);
  });
});

describe("runCustomWebHook", () => {
  test("returns at once; what was handed over is sent before the daemon ends", async () => {
    const bodies: string[] = [];
    const gate = Promise.withResolvers<void>();
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        await gate.promise;
        bodies.push(await request.text());
        return new Response();
      },
    });
    {
      await using daemon =
        await startDaemon(`${PREAMBLE} addCustomWebHook("h", { url = "http://127.0.0.1:${receiver.port}/" })
        setReport(function(lt) runCustomWebHook("h", lt.login .. "\\0\\xff") end)`);
      expect((await daemon.post("/?command=report", { login: "joe" })).status).toBe(200);
      expect(bodies).toEqual([]);
      gate.resolve();
    }
    expect(bodies).toEqual(["joe\0\ufffd"]);
    await receiver.stop(true);
  });

  test("logs a name that is not registered, a receiver that refuses and one that fails", async () => {
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(null, { status: 302, headers: { location: "/" } }),
    });
    const gone = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    await gone.stop(true);
    await using daemon = await startDaemon(`${PREAMBLE}
      addCustomWebHook("redirects", { url = "http://127.0.0.1:${receiver.port}/" })
      addCustomWebHook("gone", { url = "http://127.0.0.1:${gone.port}/" })
      setReport(function() for _, name in ipairs({ "redirects", "gone", "unknown" }) do runCustomWebHook(name, "{}") end end)`);
    await daemon.post("/?command=report", {});
    await daemon.loaded.webhooks.drain();
    const lines = daemon.logs.filter((line) => /webhook/i.test(line)).toSorted();
    expect(lines).toEqual([
      'runCustomWebHook: no webhook is named "unknown": addCustomWebHook() registers one',
      expect.stringMatching(/^webhook gone: /),
      "webhook redirects: the receiver answered 302",
    ]);
    await receiver.stop(true);
  });
});
