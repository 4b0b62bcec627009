/** Replaces single keys of a YAML file's root mapping, so that everything else keeps its bytes. */
import { Document, isCollection, isPair, isScalar, type Node, type Pair, YAMLMap } from "yaml";

/** Keys are `expect` and the like: plain texts. */
const nameOf = ({ key }: Pair): string => String(isScalar(key) ? key.value : key);

export class Splice {
  private readonly root: YAMLMap;
  private readonly places = new Map<unknown, [from: number, to: number]>();
  private readonly indentation: string;
  private readonly lineEnd: string;

  /** Takes the places of all keys, so it is to be made before the document is changed. */
  constructor(
    private readonly text: string,
    private readonly document: Document,
  ) {
    this.root = document.contents as YAMLMap;
    this.lineEnd = text.includes("\r\n") ? "\r\n" : "\n";
    const [first] = this.root.items as Pair[];
    const start = (first!.key as Node).range![0];
    let margin = start;
    while (text[margin - 1] === " ") margin--;
    this.indentation = this.root.flow ? "" : text.slice(margin, start);
    if (this.root.flow) return;
    for (const pair of this.root.items as Pair[]) this.places.set(pair, this.placeOf(pair));
  }

  /** The text with these keys as the document has them now; one that it has not is placed at its end. */
  write(keys: readonly string[]): string {
    const { root, lineEnd, document } = this;
    if (root.flow) return document.toString({ lineWidth: 0 }).replaceAll("\n", lineEnd);
    let { text } = this;
    for (const pair of root.items.toReversed() as Pair[]) {
      if (!keys.includes(nameOf(pair))) continue;
      const place = this.places.get(pair);
      const lines = this.print(pair);
      if (place) text = text.slice(0, place[0]) + lines.join(lineEnd + this.indentation) + text.slice(place[1]);
      else text = this.append(text, lines);
    }
    return text;
  }

  /** From where to where a key and its value stand, the comment in their last line included. */
  private placeOf(pair: Pair): [from: number, to: number] {
    const [from] = (pair.key as Node).range!;
    const to = endOf(pair);
    return [from, from + this.text.slice(from, to).trimEnd().length];
  }

  private print(pair: Pair): string[] {
    const { key } = pair;
    // What stands above the key is not replaced.
    if (isScalar(key)) Object.assign(key, { commentBefore: null, spaceBefore: false });
    const part = new Document();
    const only = new YAMLMap();
    only.items = [pair];
    part.contents = only as never;
    return part.toString({ lineWidth: 0, verifyAliasOrder: false }).trimEnd().split("\n");
  }

  /** Behind the last line of the document, which may end before the file does. */
  private append(text: string, lines: string[]): string {
    const { lineEnd, indentation } = this;
    const last = Math.max(...[...this.places.values()].map(([, to]) => to));
    const marker = /^\.\.\.(?=\s|$)/m.exec(text.slice(last));
    const end = marker ? last + marker.index : text.length;
    const before = text.slice(0, end);
    const gap = before.endsWith("\n") ? "" : lineEnd;
    return before + gap + lines.map((line) => indentation + line + lineEnd).join("") + text.slice(end);
  }
}

/**
 * Where a key's value ends. What follows its last line are comments, which yaml takes for those of the collection that
 * ends there: they stay in the text, and are not to be printed, too.
 */
function endOf(pair: Pair): number {
  let node = pair.value as Node | null;
  let end = (pair.key as Node).range![2];
  while (node) {
    end = node.range?.[2] ?? end;
    if (!isCollection(node) || node.flow || node.items.length === 0) return end;
    node.comment = null;
    const last: unknown = node.items.at(-1);
    node = (isPair(last) ? (last.value ?? last.key) : last) as Node | null;
  }
  return end;
}
