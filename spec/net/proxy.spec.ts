import { describe, expect, test } from "bun:test";

import { proxyFor, publicProxyUrl, readProxies, readProxyUrl } from "../../lib/net/proxy.ts";

describe("the variables", () => {
  const chosen = (environment: Record<string, string>, url: string): string | undefined =>
    proxyFor(new URL(url), readProxies(environment))?.url;

  test.each([
    [{}, "http://h/", undefined],
    [{ HTTP_PROXY: "http://p:1" }, "http://h/", "http://p:1/"],
    [{ HTTP_PROXY: "http://p:1" }, "https://h/", undefined],
    [{ HTTPS_PROXY: "http://p:1" }, "https://h/", "http://p:1/"],
    [{ HTTPS_PROXY: "http://p:1" }, "http://h/", undefined],
    [{ ALL_PROXY: "http://p:1" }, "http://h/", "http://p:1/"],
    [{ ALL_PROXY: "http://p:1", HTTPS_PROXY: "http://q:2" }, "https://h/", "http://q:2/"],
    [{ http_proxy: "http://lower", HTTP_PROXY: "http://upper" }, "http://h/", "http://lower/"],
    [{ http_proxy: "", HTTP_PROXY: "http://upper" }, "http://h/", "http://upper/"],
    [{ HTTP_PROXY: "p:3128" }, "http://h/", "http://p:3128/"],
    [{ HTTP_PROXY: "user:pa%40ss@p:3128" }, "http://h/", "http://user:pa%40ss@p:3128/"],
    [{ HTTP_PROXY: "http://[::1]:3128/" }, "http://h/", "http://[::1]:3128/"],
  ])("%j choose for %s: %s", (environment, url, proxy) => {
    expect(chosen(environment, url)).toBe(proxy);
  });

  test.each(["socks5://p:1080", "https://p:443", "http://p:1/path", "http://", "nonsense nonsense"])(
    "of a value that is no HTTP proxy it is said that it is ignored: %s",
    (value) => {
      expect(readProxyUrl(value)).toBeUndefined();
      const proxies = readProxies({ HTTPS_PROXY: value });
      expect(proxies).toMatchObject({ http: undefined, https: undefined });
      expect(proxies.problems).toEqual(["HTTPS_PROXY is ignored: it is not the url of a proxy, http://host:port"]);
    },
  );

  test("a proxy is shown without user and password", () => {
    expect(publicProxyUrl({ url: "http://user:secret@p:3128/", from: "" })).toBe("http://p:3128");
  });
});

describe("NO_PROXY", () => {
  const without = (entries: string, url: string): boolean =>
    !proxyFor(new URL(url), readProxies({ ALL_PROXY: "http://p:1", NO_PROXY: entries }));

  test.each([
    ["*", "http://anything/"],
    ["example.com", "http://example.com/"],
    ["example.com", "http://EXAMPLE.com:8080/"],
    ["example.com", "http://example.com./"],
    ["example.com", "http://a.b.example.com/"],
    [".example.com", "http://example.com/"],
    [".example.com", "http://a.example.com/"],
    ["*.example.com", "http://a.example.com/"],
    ["Example.COM.", "http://example.com/"],
    ["other, example.com", "http://example.com/"],
    ["other example.com", "http://example.com/"],
    [",, example.com ,", "http://example.com/"],
    ["example.com:8080", "http://example.com:8080/"],
    ["example.com:443", "https://example.com/"],
    ["127.0.0.1", "http://127.0.0.1:9200/"],
    ["127.0.0.1", "http://127.1/"],
    ["127.0.0.1:9200", "http://127.0.0.1:9200/"],
    ["::1", "http://[::1]:9200/"],
    ["[::1]", "http://[::1]/"],
    ["[::1]:9200", "http://[::1]:9200/"],
    ["0:0::1", "http://[::1]/"],
    ["10.0.0.1", "http://[::ffff:10.0.0.1]/"],
    ["10.0.0.0/8", "https://10.1.2.3/"],
    ["10.0.0.0/8", "http://[::ffff:10.1.2.3]/"],
    ["fd00::/8", "http://[fd12::1]/"],
  ])("%j has %s", (entries, url) => {
    expect(without(entries, url)).toBe(true);
  });

  test.each([
    ["", "http://example.com/"],
    ["example.com", "http://notexample.com/"],
    ["example.com", "http://example.com.evil.org/"],
    ["a.example.com", "http://example.com/"],
    ["example.com:8080", "http://example.com/"],
    ["127.0.0.1:9200", "http://127.0.0.1/"],
    ["127.0.0.1", "http://127.0.0.2/"],
    ["10.0.0.0/8", "http://11.0.0.1/"],
    ["10.0.0.0/8", "http://10.example.com/"],
    ["10.0.0.0/99", "http://10.0.0.1/"],
    ["fd00::/8", "http://10.0.0.1/"],
    [".", "http://example.com/"],
    [":80", "http://example.com/"],
    ["exa*ple.com", "http://example.com/"],
  ])("%j does not have %s", (entries, url) => {
    expect(without(entries, url)).toBe(false);
  });
});
