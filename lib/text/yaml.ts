/** YAML documents read in time that grows with their length: the library's own checks of keys and aliases search anew for each. */
import {
  type Alias,
  type Document,
  type DocumentOptions,
  isMap,
  isScalar,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  type ParseOptions,
  Parser,
  type SchemaOptions,
  visit,
  type YAMLMap,
} from "yaml";

export interface YamlDocument {
  document: Document;
  lines: LineCounter;
  /** What each alias stands for: the node that last had its anchor before it. */
  targets: ReadonlyMap<Alias, Node>;
  /** The first thing that is wrong, and its line. */
  fault: { line: number; message: string } | undefined;
}

/** Levels of a document: the library's cost, and its own stack, grow with more. */
const DEEPEST = 200;
/** Characters of a message: the library's quote what they speak of, however long. */
const LONGEST_MESSAGE = 200;

export function readYaml(text: string, options: ParseOptions & DocumentOptions & SchemaOptions = {}): YamlDocument {
  const deep = tooDeep(text);
  const lines = new LineCounter();
  const parsed = deep === undefined ? text : "";
  const document = parseDocument(parsed, { ...options, lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  if (deep !== undefined) {
    const line = text.slice(0, deep).split("\n").length;
    return { document, lines, targets: new Map(), fault: { line, message: `nested deeper than ${DEEPEST} levels` } };
  }
  const { targets, double } = walk(document);
  const [error] = document.errors;
  const at = error?.pos[0] ?? double?.range![0];
  const message = error?.message.slice(0, LONGEST_MESSAGE) ?? "Map keys must be unique";
  return { document, lines, targets, fault: at === undefined ? undefined : { line: lines.linePos(at).line, message } };
}

/** Finds what aliases stand for, and the first key that stands in its mapping a second time. */
function walk(document: Document): { targets: Map<Alias, Node>; double: Node | undefined } {
  const targets = new Map<Alias, Node>();
  const anchors = new Map<string, Node>();
  let double: Node | undefined;
  visit(document, {
    Alias(_, alias) {
      const target = anchors.get(alias.source);
      if (target) targets.set(alias, target);
    },
    Value(_, node) {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
      if (isMap(node)) double ??= doubleKey(node);
    },
  });
  return { targets, double };
}

/** Where a document nests deeper than may be. */
function tooDeep(text: string): number | undefined {
  const parser = new Parser();
  for (const token of new Lexer().lex(text)) {
    for (const _ of parser.next(token));
    if (parser.stack.length > DEEPEST) return parser.offset;
  }
  return undefined;
}

/** A key that stands in a mapping a second time. */
function doubleKey({ items }: YAMLMap): Node | undefined {
  const known = new Set<unknown>();
  for (const { key } of items) {
    if (!isScalar(key)) continue;
    if (known.has(key.value)) return key;
    known.add(key.value);
  }
  return undefined;
}
