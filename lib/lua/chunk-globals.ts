/**
 * Which globals a compiled chunk uses, and where. It is read from the instructions, so that neither strings nor comments can
 * be taken for code, and globals are told from locals as Lua itself does.
 */
import type { ByteString } from "../text/byte-string.ts";
import { type Prototype, readChunk } from "./compiled-chunk.ts";

/** One place where a chunk reads or sets a global. */
export interface GlobalUse {
  name: string;
  /** Of `os.exit`: `exit`. */
  field: string | undefined;
  line: number;
  /**
   * What is done with it. `asks`: whether it is there, by `type(x)` or a comparison with nil; `tests`: it is a condition,
   * which may ask for the same.
   */
  how: "reads" | "sets" | "asks" | "tests";
}

interface ChunkGlobals {
  /** The name of the chunk, as `@file`. */
  source: string;
  /** By line. */
  uses: GlobalUse[];
}

/** Numbers of the instructions that matter here (lopcodes.h of Lua 5.4). */
const Op = {
  LOADK: 3,
  GETUPVAL: 9,
  GETTABUP: 11,
  GETTABLE: 12,
  GETFIELD: 14,
  SETTABUP: 15,
  SETTABLE: 16,
  SETFIELD: 18,
  SELF: 20,
  EQK: 60,
  TEST: 66,
  TESTSET: 67,
  CALL: 68,
} as const;

/** Instructions for which a global is remembered in its register: field and condition follow it at once. */
const REMEMBERED = 3;

/** @throws {RangeError} when it is no chunk of this Lua */
export function readChunkGlobals(chunk: ByteString): ChunkGlobals {
  const { source, main } = readChunk(chunk);
  const uses: GlobalUse[] = [];
  // The table of globals is the one upvalue of a main chunk.
  collect(main, new Set([0]), uses);
  return { source, uses: uses.toSorted((a, b) => a.line - b.line) };
}

/** @param globals which upvalues are the table of globals: a `local _ENV` around would be another table */
function collect(prototype: Prototype, globals: ReadonlySet<number>, uses: GlobalUse[]): void {
  new FunctionScan(prototype, globals, uses).run();
  for (const child of prototype.functions) {
    const inherited = [...child.upvalues.entries()].filter(([, { inStack, index }]) => !inStack && globals.has(index));
    collect(child, new Set(inherited.map(([i]) => i)), uses);
  }
}

/** What a register holds, as far as it matters. */
type Content = { kind: "globals" } | { kind: "text"; text: string } | { kind: "value"; of: GlobalUse };

/** Goes through the instructions of a function. */
class FunctionScan {
  private readonly registers = new Map<number, { content: Content; until: number }>();
  private at = 0;

  constructor(
    private readonly prototype: Prototype,
    private readonly globals: ReadonlySet<number>,
    private readonly uses: GlobalUse[],
  ) {}

  run(): void {
    const { code } = this.prototype;
    for (; this.at < code.length; this.at++) this.step(code[this.at]!);
  }

  private step(word: number): void {
    const { constants } = this.prototype;
    const { globals } = this;
    const [op, a, b, c] = [word & 0x7f, (word >>> 7) & 0xff, (word >>> 16) & 0xff, word >>> 24];
    const isConstant = ((word >>> 15) & 1) === 1;
    switch (op) {
      case Op.GETTABUP:
        return this.read(a, globals.has(b) ? { kind: "globals" } : undefined, constants[c]);
      case Op.SETTABUP:
        return globals.has(a) ? this.set(constants[b]) : undefined;
      // A function with more than 256 constants has the table of globals, and names, in registers.
      case Op.GETUPVAL:
        return this.keep(a, globals.has(b) ? { kind: "globals" } : undefined);
      case Op.LOADK: {
        const text = constants[word >>> 15];
        return this.keep(a, typeof text === "string" ? { kind: "text", text } : undefined);
      }
      case Op.GETFIELD:
        return this.read(a, this.content(b), constants[c]);
      case Op.GETTABLE:
        return this.read(a, this.content(b), this.text(c));
      case Op.SELF:
        return this.read(a, this.content(b), isConstant ? constants[c] : this.text(c));
      case Op.SETFIELD:
        return this.content(a)?.kind === "globals" ? this.set(constants[b]) : undefined;
      case Op.SETTABLE:
        return this.content(a)?.kind === "globals" ? this.set(this.text(b)) : undefined;
      case Op.TEST:
        return this.mark(a, "tests");
      case Op.TESTSET:
        this.mark(b, "tests");
        break;
      case Op.EQK:
        return constants[b] === null ? this.mark(a, "asks") : undefined;
      case Op.CALL:
        if (this.global(a)?.name === "type") this.mark(a + 1, "asks");
        break;
    }
    this.keep(a, undefined);
  }

  private keep(register: number, content: Content | undefined): void {
    if (content)
      this.registers.set(register, { content, until: content.kind === "value" ? this.at + REMEMBERED : Infinity });
    else this.registers.delete(register);
  }

  private content(register: number): Content | undefined {
    const kept = this.registers.get(register);
    return kept && kept.until >= this.at ? kept.content : undefined;
  }

  private text(register: number): string | undefined {
    const content = this.content(register);
    return content?.kind === "text" ? content.text : undefined;
  }

  private global(register: number): GlobalUse | undefined {
    const content = this.content(register);
    return content?.kind === "value" ? content.of : undefined;
  }

  /** `register = table[key]` */
  private read(register: number, table: Content | undefined, key: string | null | undefined): void {
    this.keep(register, undefined);
    if (typeof key !== "string" || !table || table.kind === "text") return;
    if (table.kind === "value") {
      table.of.field ??= key;
      return;
    }
    const use: GlobalUse = { name: key, field: undefined, line: this.line, how: "reads" };
    this.uses.push(use);
    this.keep(register, { kind: "value", of: use });
  }

  private set(name: string | null | undefined): void {
    if (typeof name === "string") this.uses.push({ name, field: undefined, line: this.line, how: "sets" });
  }

  private mark(register: number, how: "asks" | "tests"): void {
    const use = this.global(register);
    if (use && use.field === undefined) use.how = how;
  }

  private get line(): number {
    return this.prototype.lines[this.at] ?? 0;
  }
}
