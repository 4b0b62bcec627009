/** The house: which rooms lib has, and which of them may import which. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const LIB = join(import.meta.dir, "..", "lib");

/**
 * The floors, from the roof down: a room imports from rooms on lower floors alone, never from its neighbours. Loose files
 * are the few things that many rooms speak of.
 */
const FLOORS = [
  ["program"],
  ["import"],
  ["replay"],
  ["traffic"],
  ["http", "console"],
  ["configuration"],
  ["lua"],
  ["config.ts"],
  ["alerts"],
  ["webhooks", "counters", "control", "geoip", "device", "history"],
  ["stats", "net", "login-tuple.ts"],
  ["address", "log", "sqlite"],
  ["text", "time"],
];

interface Import {
  from: string;
  to: string;
}

const files = readdirSync(LIB, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const source = (file: string): string => readFileSync(join(LIB, file), "utf8");
/** The first part of a path below lib: `http/server.ts` is in `http`, and `config.ts` is itself. */
const roomOf = (file: string): string => file.split("/")[0]!;
const floorOf = (room: string): number => FLOORS.findIndex((rooms) => rooms.includes(room));

function importsOf(file: string): Import[] {
  const paths = source(file).matchAll(/(?:\bfrom|\bimport\(?|new URL\()\s*"(\.[^"]+)"/g);
  return Array.from(paths, ([, path]) => ({ from: file, to: normalize(join(dirname(file), path!)) }));
}

describe("the house", () => {
  test("has just the rooms of the list", () => {
    expect([...new Set(files.map(roomOf))].toSorted()).toEqual(FLOORS.flat().toSorted());
  });

  test("has no import that runs up or across", () => {
    const between = files
      .flatMap(importsOf)
      .filter(({ from, to }) => !to.startsWith("..") && roomOf(from) !== roomOf(to));
    expect(between.length).toBeGreaterThan(200);
    const wrong = between.filter(({ from, to }) => floorOf(roomOf(from)) >= floorOf(roomOf(to)));
    expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test("leaves lib for package.json and what --init writes alone", () => {
    const outside = files.flatMap(importsOf).filter(({ to }) => to.startsWith(".."));
    const others = outside.filter(({ to }) => !to.startsWith("../conf/policies/"));
    const allowed = ["../package.json", "../conf/trackalert.conf", "../conf/reference.lua"];
    expect([...new Set(others.map(({ to }) => to))].toSorted()).toEqual(allowed.toSorted());
  });

  test("has a spec for rooms alone: spec mirrors lib", () => {
    const rooms = readdirSync(import.meta.dir).map((name) => name.replace(/\.spec\.ts$/, ".ts"));
    const known = ["house.ts", "support", "bench", ...FLOORS.flat()];
    expect(rooms.filter((room) => !known.includes(room))).toEqual([]);
  });

  // Sorting imports takes a header along when it stands right before the one that moves.
  test("has no file whose header stands between its imports", () => {
    const late = files.filter((file) =>
      /^import [^;]*;\n(?:import [^;]*;\n|\n)*\/\*\*[^;]*?\*\/\nimport /.test(source(file)),
    );
    expect(late).toEqual([]);
  });
});
