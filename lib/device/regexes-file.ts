/**
 * The file behind `-R`: uap-core's `regexes.yaml`. An entry that cannot be used costs that entry, not the start; a file
 * that is none of the kind is an error.
 */
import { readFile } from "node:fs/promises";

import { isMap, isScalar, isSeq, type LineCounter, type Node, type YAMLMap } from "yaml";

import { readYaml } from "../text/yaml.ts";
import { compileRegex, RegexSyntaxError } from "./regex-syntax.ts";
import type { Rule, Templates, UserAgentRules } from "./user-agent.ts";

interface RegexesFile {
  rules: UserAgentRules;
  /** What was left out and why, a line each: `file:line: …`. */
  problems: string[];
}

/** The file cannot be used. The message begins with the file and, where there is one, the line. */
export class RegexesFileError extends Error {
  override name = "RegexesFileError";
}

interface Output {
  key: string;
  /** What the specification has when the entry lacks the key. */
  otherwise: string;
}
type Outputs = [family: Output, second: Output, third: Output];

/** Where each list and its entries' templates stand in the file. */
const LISTS: Record<keyof UserAgentRules, { key: string; outputs: Outputs }> = {
  browser: {
    key: "user_agent_parsers",
    outputs: [
      { key: "family_replacement", otherwise: "$1" },
      { key: "v1_replacement", otherwise: "$2" },
      { key: "v2_replacement", otherwise: "$3" },
    ],
  },
  os: {
    key: "os_parsers",
    outputs: [
      { key: "os_replacement", otherwise: "$1" },
      { key: "os_v1_replacement", otherwise: "$2" },
      { key: "os_v2_replacement", otherwise: "$3" },
    ],
  },
  device: {
    key: "device_parsers",
    outputs: [
      { key: "device_replacement", otherwise: "$1" },
      { key: "brand_replacement", otherwise: "" },
      { key: "model_replacement", otherwise: "$1" },
    ],
  },
};
const LIST_NAMES = Object.values(LISTS).map(({ key }) => key);
const ADVICE = "-R takes a file in the format of uap-core's regexes.yaml";

/**
 * @param file as the user named it, for messages too
 * @throws {RegexesFileError} when the file cannot be read, is no YAML or has none of the three lists
 */
export async function readRegexesFile(file: string): Promise<RegexesFile> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new RegexesFileError(`${file}: cannot be read: ${error.code ?? error.message}; ${ADVICE}`);
  });
  // In the failsafe schema each scalar is the text that stands there: a version `8.10` stays that, and is not 8.1.
  const { document, lines, fault } = readYaml(text, { schema: "failsafe" });
  if (fault) throw new RegexesFileError(`${file}:${fault.line}: not YAML: ${fault.message}; ${ADVICE}`);
  const top = document.contents;
  if (!isMap(top) || !LIST_NAMES.some((name) => top.has(name))) {
    throw new RegexesFileError(`${file}: has none of ${LIST_NAMES.join(", ")}; ${ADVICE}`);
  }
  const reader = new RulesReader(file, lines);
  const rules = {
    browser: reader.list(top, "browser"),
    os: reader.list(top, "os"),
    device: reader.list(top, "device"),
  };
  return { rules, problems: reader.problems };
}

/** Turns nodes into rules and collects what it could not use. */
class RulesReader {
  readonly problems: string[] = [];

  constructor(
    private readonly file: string,
    private readonly lines: LineCounter,
  ) {}

  list(top: YAMLMap, name: keyof UserAgentRules): Rule[] {
    const { key, outputs } = LISTS[name];
    const list = top.get(key, true) as Node | undefined;
    if (isSeq<Node>(list)) return list.items.flatMap((entry) => this.entry(entry, key, outputs) ?? []);
    this.report(list, `${key} is ${list ? "not a list" : "missing"}, nothing will be known by it`);
    return [];
  }

  private entry(entry: Node, list: string, outputs: Outputs): Rule | undefined {
    const regex = textOf(entry, "regex");
    if (!regex) {
      this.report(entry, `entry of ${list} without a regex, skipped`);
      return undefined;
    }
    const flag = textOf(entry, "regex_flag") ?? "";
    const where = (entry as YAMLMap).get("regex", true) as Node;
    if (flag !== "" && flag !== "i") {
      this.report(where, `regex_flag ${JSON.stringify(flag)} is not known, only 'i' is; entry skipped`);
      return undefined;
    }
    try {
      const templates = outputs.map(({ key, otherwise }) => textOf(entry, key) ?? otherwise) as Templates;
      return { pattern: compileRegex(regex, flag), templates };
    } catch (error) {
      const { message } = error as Error;
      const problem = error instanceof RegexSyntaxError ? `has no equal here for ${message}` : "does not compile";
      this.report(where, `regex ${problem}, entry skipped${error instanceof RegexSyntaxError ? "" : `: ${message}`}`);
      return undefined;
    }
  }

  private report(node: Node | undefined, problem: string): void {
    const line = node?.range ? `:${this.lines.linePos(node.range[0]).line}` : "";
    this.problems.push(`${this.file}${line}: ${problem}`);
  }
}

/** The text under a key; undefined when there is none, or no text. */
function textOf(entry: Node, key: string): string | undefined {
  const value = isMap(entry) ? entry.get(key, true) : undefined;
  return isScalar<string>(value) ? value.value : undefined;
}
