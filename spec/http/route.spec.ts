import { describe, expect, test } from "bun:test";

import { routeOf } from "../../lib/http/route.ts";
import { property } from "../support/random.ts";

describe("routeOf", () => {
  test.each([
    ["/", "/"],
    ["/?", "/"],
    ["/?x=1", "/"],
    ["/metrics", "/metrics"],
    ["/metrics?x=1", "/metrics"],
    ["/livez", "/livez"],
    ["/command/report", "/command/report"],
    ["/command/report?command=stats", "/command/report"],
    ["/command/report/", "/command/report/"],
    ["/?command=report", "/command/report"],
    ["/?x=1&command=report&y=2", "/command/report"],
    ["/?command=report&command=stats", "/command/report"],
    ["/?command=re%70ort", "/command/report"],
    ["/?command=caf%C3%A9", "/command/café"],
    ["/command/caf%C3%A9", "/command/café"],
    ["/?command=a/b", "/command/a/b"],
    ["/?command=a?b", "/command/a?b"],
    ["/?Command=report", "/"],
    ["/?COMMAND=report", "/"],
    ["/?command=Report", "/command/Report"],
    ["/Command/report", "/Command/report"],
    ["/x?command=report", "/x"],
    ["/?url=http://host/command/report", "/"],
    ["/?url=http://host/&command=stats", "/command/stats"],
    ["/command/http://host/x", "/command/http://host/x"],
    ["/command/%zz", "/command/%zz"],
    ["/command/%ff", "/command/%ff"],
    ["/%", "/%"],
  ])("of %p is %p, with and without a host before it", (target, route) => {
    expect(routeOf(target)).toBe(route);
    for (const host of ["http://localhost", "https://127.0.0.1:8084", "http://[::1]:8084"]) {
      expect(routeOf(host + target)).toBe(route);
    }
  });

  property("is the same for both spellings of a command", 500, (random) => {
    const name = random.text(10);
    const encoded = encodeURIComponent(name);
    const base = random.pick(["", "http://host"]);
    expect(routeOf(`${base}/command/${encoded}`)).toBe(`/command/${name}`);
    expect(routeOf(`${base}/?command=${encoded}`)).toBe(`/command/${name}`);
  });

  test("stays right over more URLs than are remembered", () => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 1500; i++) expect(routeOf(`/?command=c${i}`)).toBe(`/command/c${i}`);
    }
  });
});
