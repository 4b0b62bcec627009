/** Keys that are replaced in a YAML text: the rest of it, comments included, is there as often as before. */
import { expect } from "bun:test";

import { parseDocument } from "yaml";

import { Splice } from "../../lib/replay/splice.ts";
import { property } from "../support/random.ts";

const EXPECTED = [
  "expect:\n  errors: 3",
  "expect: { errors: 3 }",
  "expect:\n  errors: 3\n  logs:\n    - a\n    - b",
  "expect:\n  webhooks:\n    - { a: 1 }\n    - b: 1\n      c:\n        - d\n  errors: 3",
];
const AFTER = ["", "\nuntil: 2", "\nhttp:\n  - { url: a }\n  - url: b"];

property("each comment and each other value is there once", 500, (random) => {
  let comments = 0;
  const comment = (): string => `# c${comments++};`;
  const lines = `name: x\n${random.pick(EXPECTED)}${random.pick(AFTER)}\nstart: 1`.split("\n").flatMap((line) => {
    const above = random.chance(0.3) ? [random.pick(["", "  ", "    "]) + comment()] : random.chance(0.2) ? [""] : [];
    return [...above, random.chance(0.3) ? `${line} ${comment()}` : line];
  });
  const [indentation, lineEnd, end] = [
    random.pick(["", "  "]),
    random.pick(["\n", "\r\n"]),
    random.pick(["", "\n..."]),
  ];
  const text = lines.map((line) => (line && indentation) + line).join("\n") + end;
  const document = parseDocument(text.replaceAll("\n", lineEnd));
  const value = document.toJS() as { expect: { errors: number } };
  const splice = new Splice(text.replaceAll("\n", lineEnd), document);
  document.setIn(["expect", "errors"], 7);
  const written = splice.write(["expect"]);
  value.expect.errors = 7;
  expect(parseDocument(written).toJS()).toEqual(value);
  for (let i = 0; i < comments; i++) expect(written.split(`# c${i};`)).toHaveLength(2);
  expect(written.replaceAll("\r\n", "").includes("\n")).toBe(lineEnd === "\n");
});
