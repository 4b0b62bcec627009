/** Compiled chunks in Lua's own format (ldump.c of Lua 5.4), read: instructions, constants, and the lines they come from. */
import { type ByteString, toText } from "../text/byte-string.ts";

/** "\x1bLua", version, format, six bytes against text conversions, three sizes, an integer and a float. */
const HEADER = 4 + 1 + 1 + 6 + 3 + 8 + 8;
const VERSION = 0x54;
/** Of constants: the low four bits are the type, the next two its variant. */
const Tag = { nil: 0x00, integer: 0x03, float: 0x13, shortString: 0x04, longString: 0x14 } as const;
/** In the deltas of lines: the line stands in the other table. */
const ABSOLUTE_LINE = -128;

/** A function. */
export interface Prototype {
  /** Instructions, see lopcodes.h. */
  code: number[];
  /** Strings as such, nil as null, all else undefined. */
  constants: (string | null | undefined)[];
  /** Each is a local of the function around, or an upvalue of that one. */
  upvalues: { inStack: boolean; index: number }[];
  /** Those defined inside. */
  functions: Prototype[];
  /** Of each instruction. */
  lines: number[];
}

interface CompiledChunk {
  /** The name of the chunk, as `@file`. */
  source: string;
  main: Prototype;
}

/** @throws {RangeError} when it is no chunk of this Lua */
export const readChunk = (chunk: ByteString): CompiledChunk => new ChunkReader(Buffer.from(chunk, "latin1")).read();

class ChunkReader {
  private at = HEADER + 1;

  constructor(private readonly bytes: Buffer) {
    if (bytes[4] !== VERSION) throw new RangeError("no chunk of Lua 5.4");
  }

  read(): CompiledChunk {
    const start = this.at;
    const source = this.string() ?? "";
    this.at = start;
    return { source, main: this.prototype() };
  }

  private prototype(): Prototype {
    this.string(); // the source, which only the main chunk has
    const lineDefined = this.size();
    this.size(); // the last line
    this.at += 3; // parameters, vararg, stack
    const code = this.list(() => this.word());
    const constants = this.list(() => this.constant());
    const upvalues = this.list(() => {
      const [inStack, index] = [this.byte() !== 0, this.byte()];
      this.at++; // its kind
      return { inStack, index };
    });
    const functions = this.list(() => this.prototype());
    const lines = this.lines(lineDefined);
    this.list(() => [this.string(), this.size(), this.size()]); // locals
    this.list(() => this.string()); // names of upvalues
    return { code, constants, upvalues, functions, lines };
  }

  /** The line of each instruction. */
  private lines(lineDefined: number): number[] {
    const deltas = this.list(() => this.bytes.readInt8(this.at++));
    const absolute = new Map(this.list(() => [this.size(), this.size()] as const));
    let line = lineDefined;
    return deltas.map((delta, i) => (line = delta === ABSOLUTE_LINE ? absolute.get(i)! : line + delta));
  }

  private constant(): string | null | undefined {
    const tag = this.byte();
    if (tag === Tag.nil) return null;
    if (tag === Tag.shortString || tag === Tag.longString) return this.string();
    if (tag === Tag.integer || tag === Tag.float) this.at += 8;
    return undefined;
  }

  private list<T>(read: () => T): T[] {
    return Array.from({ length: this.size() }, read);
  }

  private byte(): number {
    return this.bytes.readUInt8(this.at++);
  }

  private word(): number {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  /** Seven bits a byte, the highest first; the last byte has its high bit set. */
  private size(): number {
    let value = 0;
    for (;;) {
      const byte = this.byte();
      value = value * 128 + (byte & 0x7f);
      if (byte & 0x80) return value;
    }
  }

  /** Undefined for one that is not there. */
  private string(): string | undefined {
    const size = this.size();
    if (size === 0) return undefined;
    this.at += size - 1;
    return toText(this.bytes.toString("latin1", this.at - size + 1, this.at) as ByteString);
  }
}
