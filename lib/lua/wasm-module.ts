/**
 * A module of WebAssembly whose functions can be given other bodies before it is compiled: Core Specification, 5.5. A
 * function that has no exported name is found by a text that it alone uses. What is not found as expected is an error:
 * this is another build, and what is changed would be a guess.
 */
import { block, constant, constantsOf, number, Reader } from "./wasm-code.ts";

const HEADER = 8;
const Section = { type: 1, import: 2, function: 3, global: 6, export: 7, code: 10, data: 11 } as const;
const FUNCTION = 0;

const complain = (problem: string): Error => new Error(`this build of Lua ${problem}: is wasmoon another version?`);

export class WasmModule {
  /** By their numbers, in their order; the few that we look into are there once. */
  private readonly sections = new Map<number, Buffer>();
  private readonly exports = new Map<string, number>();
  private readonly imported: number;
  /** Of each function that is not imported, the number of its type. */
  private readonly types: number[];
  private readonly bodies: Buffer[];
  /** How many functions it came with. */
  private readonly own: number;

  constructor(private readonly bytes: Buffer) {
    const reader = new Reader(bytes);
    reader.at = HEADER;
    while (!reader.ended) this.sections.set(reader.byte(), reader.block());
    this.imported = countImports(this.section(Section.import));
    this.types = readList(this.section(Section.function), (reader) => reader.number());
    this.bodies = readList(this.section(Section.code), (reader) => reader.block());
    this.own = this.bodies.length;
    this.readExports();
  }

  /** The number of an exported function. */
  exported(name: string): number {
    const index = this.exports.get(name);
    if (index === undefined) throw complain(`does not export ${name}`);
    return index;
  }

  /** The address of a text among the constants, which is there once. */
  addressOf(text: string): number {
    const found = this.data().flatMap(({ address, content }) => {
      const at = content.indexOf(`${text}\0`);
      return at < 0 ? [] : content.indexOf(`${text}\0`, at + 1) < 0 ? [address + at] : [address + at, NaN];
    });
    if (found.length !== 1) throw complain(`does not have the text "${text}" exactly once`);
    return found[0]!;
  }

  /** The number of the only function that uses a text; those that were added do not count. */
  functionWith(text: string): number {
    const address = this.addressOf(text);
    const written = Buffer.from(constant(address));
    const found = this.bodies
      .slice(0, this.own)
      .flatMap((body, i) => (body.includes(written) && constantsOf(body).includes(address) ? [this.imported + i] : []));
    if (found.length !== 1) throw complain(`does not have one function that uses "${text}"`);
    return found[0]!;
  }

  /** Undefined for an imported function. */
  bodyIfAny(index: number): Buffer | undefined {
    return this.bodies[index - this.imported];
  }

  body(index: number): Buffer {
    return this.bodies[index - this.imported]!;
  }

  setBody(index: number, body: Buffer): void {
    this.bodies[index - this.imported] = body;
  }

  /** Adds a function of an own type. @returns its number */
  addFunction(type: number, body: Buffer): number {
    this.types.push(type);
    return this.imported + this.bodies.push(body) - 1;
  }

  /** Has what a function does under another number too, so that it can be given another body that calls the old one. */
  copy(index: number): number {
    return this.addFunction(this.types[index - this.imported]!, this.body(index));
  }

  /** Adds the type of functions with these parameters and results. @returns its number */
  addType(params: readonly number[], results: readonly number[]): number {
    return this.addTo(Section.type, [0x60, ...block(Buffer.from(params)), ...block(Buffer.from(results))]);
  }

  /** Adds a variable of 32 bits, at first 0. @returns its number */
  addGlobal(): number {
    const [I32, VARIABLE, END] = [0x7f, 1, 0x0b] as const;
    return this.addTo(Section.global, [I32, VARIABLE, ...constant(0), END]);
  }

  /** The module as it is now. */
  write(): Buffer {
    this.sections.set(Section.function, Buffer.from([number(this.types.length), ...this.types.map(number)].flat()));
    const bodies = this.bodies.map((body) => block(body));
    this.sections.set(Section.code, Buffer.concat([Buffer.from(number(bodies.length)), ...bodies]));
    const written = Array.from(this.sections, ([id, content]) => [Buffer.of(id), block(content)]);
    return Buffer.concat([this.bytes.subarray(0, HEADER), ...written.flat()]);
  }

  private section(id: number): Buffer {
    const content = this.sections.get(id);
    if (!content) throw complain(`lacks section ${id}`);
    return content;
  }

  /** Adds an item to a section's list. @returns its place there */
  private addTo(id: number, item: readonly number[]): number {
    const reader = new Reader(this.section(id));
    const count = reader.number();
    const items = reader.bytes.subarray(reader.at);
    this.sections.set(id, Buffer.concat([Buffer.from(number(count + 1)), items, Buffer.from(item)]));
    return count;
  }

  private readExports(): void {
    const reader = new Reader(this.section(Section.export));
    for (let left = reader.number(); left > 0; left--) {
      const name = reader.block().toString();
      const kind = reader.byte();
      const index = reader.number();
      if (kind === FUNCTION) this.exports.set(name, index);
    }
  }

  private data(): { address: number; content: Buffer }[] {
    return readList(this.section(Section.data), (reader) => {
      const [active, opcode] = [reader.byte(), reader.byte()];
      if (active !== 0 || opcode !== constant(0)[0]) throw complain("has data without a place of its own");
      const address = reader.signed();
      reader.byte(); // end
      return { address, content: reader.block() };
    });
  }
}

function readList<T>(content: Buffer, read: (reader: Reader) => T): T[] {
  const reader = new Reader(content);
  return Array.from({ length: reader.number() }, () => read(reader));
}

/** How many functions are imported: they are numbered before the module's own. */
function countImports(content: Buffer): number {
  return readList(content, (reader) => {
    reader.block();
    reader.block();
    if (reader.byte() !== FUNCTION) throw complain("imports more than functions");
    reader.number();
  }).length;
}
