/** The instructions of WebAssembly that the mends of Lua's build read and write: Core Specification, 5.4. */

/** Reads on through a part of a module. */
export class Reader {
  at = 0;

  constructor(readonly bytes: Buffer) {}

  get ended(): boolean {
    return this.at >= this.bytes.length;
  }

  byte(): number {
    return this.bytes[this.at++]!;
  }

  /** An unsigned LEB128 number. */
  number(): number {
    const byte = this.byte();
    return byte < 128 ? byte : byte - 128 + 128 * this.number();
  }

  /** A signed LEB128 number of 32 bits. */
  signed(): number {
    let [value, shift, byte] = [0, 0, 128];
    for (; byte >= 128; shift += 7) value |= ((byte = this.byte()) & 127) << shift;
    return byte & 64 && shift < 32 ? value | (-1 << shift) : value;
  }

  /** As many bytes as the number in front of them says. */
  block(): Buffer {
    const length = this.number();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  skipNumbers(count: number): void {
    for (let i = 0; i < count; i++) while (this.byte() >= 128);
  }
}

/** An unsigned LEB128 number. */
export const number = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...number(Math.floor(value / 128))];

/** A signed one of 32 bits. */
const signed = (value: number): number[] =>
  value >= -64 && value < 64 ? [value & 127] : [(value & 127) + 128, ...signed(value >> 7)];

/** Bytes with their count in front. */
export const block = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from(number(bytes.length)), bytes]);

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F64 = 0x7c;

const Opcode = { block: 0x02, loop: 0x03, if: 0x04, call: 0x10, constant: 0x41 } as const;

export const get = (local: number): number[] => [0x20, ...number(local)];
export const set = (local: number): number[] => [0x21, ...number(local)];
export const getGlobal = (global: number): number[] => [0x23, ...number(global)];
export const setGlobal = (global: number): number[] => [0x24, ...number(global)];
export const call = (target: number): number[] => [Opcode.call, ...number(target)];
export const constant = (value: number): number[] => [Opcode.constant, ...signed(value)];
/** Of an i32, at an address that is on the stack. */
export const load = (offset = 0): number[] => [0x28, 2, ...number(offset)];
export const store = [0x36, 2, 0];
export const IF = [Opcode.if, 0x40];
export const ELSE = [0x05];
export const END = [0x0b];
export const RETURN = [0x0f];
export const DROP = [0x1a];
export const IS_ZERO = [0x45];
export const IS_ZERO_LONG = [0x50]; // of an i64
export const EQUAL = [0x46];
export const BELOW_ZERO = [...constant(0), 0x48];
export const ABOVE = [0x4b]; // unsigned
export const ADD = [0x6a];
export const SUBTRACT = [0x6b];
export const AND = [0x71];
export const OR = [0x72];
export const XOR = [0x73];

/** One instruction of a function, from its opcode to what follows it. */
interface Instruction {
  readonly opcode: number;
  readonly from: number;
  readonly to: number;
}

export const isLoop = ({ opcode }: Instruction): boolean => opcode === Opcode.loop;

/** Where the instructions of a function begin, behind its locals. */
function startOfCode(body: Buffer): number {
  const reader = new Reader(body);
  reader.skipNumbers(2 * reader.number());
  return reader.at;
}

export function instructions(body: Buffer): Instruction[] {
  const reader = new Reader(body);
  reader.at = startOfCode(body);
  const found: Instruction[] = [];
  while (!reader.ended) {
    const from = reader.at;
    const opcode = reader.byte();
    skipOperands(reader, opcode);
    found.push({ opcode, from, to: reader.at });
  }
  return found;
}

function skipOperands(reader: Reader, opcode: number): void {
  if (opcode === 0x0e) return reader.skipNumbers(reader.number() + 1); // br_table
  if (opcode === 0x1c) return reader.skipNumbers(reader.number()); // select with types
  if (opcode === 0xfc) return reader.skipNumbers(extendedOperands(reader.number()));
  if (opcode === 0x43) reader.at += 4; // f32.const
  if (opcode === 0x44) reader.at += 8; // f64.const
  const isBlock = opcode >= Opcode.block && opcode <= Opcode.if;
  const isJump = opcode === 0x0c || opcode === 0x0d;
  const isVariable = opcode >= 0x20 && opcode <= 0x26;
  const isConstant = opcode === Opcode.constant || opcode === 0x42;
  if (isBlock || isJump || isVariable || isConstant || opcode === Opcode.call) reader.skipNumbers(1);
  if (opcode === 0x3f || opcode === 0x40) reader.skipNumbers(1); // memory.size, memory.grow
  if (opcode === 0x11 || (opcode >= 0x28 && opcode <= 0x3e)) reader.skipNumbers(2); // call_indirect, loads and stores
}

/** How many numbers follow those of the second page: conversions none, operations on memory and tables one or two. */
const extendedOperands = (opcode: number): number => (opcode < 8 ? 0 : [2, 1, 2, 1, 2, 1, 2, 1, 1, 1][opcode - 8]!);

/** The constants of 32 bits in a function. */
export function constantsOf(body: Buffer): number[] {
  return operands(body, Opcode.constant, (reader) => reader.signed());
}

/** The functions that a function calls by their numbers. */
export function callsOf(body: Buffer): number[] {
  return operands(body, Opcode.call, (reader) => reader.number());
}

function operands(body: Buffer, wanted: number, read: (reader: Reader) => number): number[] {
  const found: number[] = [];
  const reader = new Reader(body);
  for (const { opcode, from } of instructions(body)) {
    if (opcode !== wanted) continue;
    reader.at = from + 1;
    found.push(read(reader));
  }
  return found;
}

/** A function's body, of its locals, each group a count and a type, and its code without the last `end`. */
export const bodyOf = (locals: readonly (readonly [count: number, type: number])[], ...code: number[][]): Buffer =>
  Buffer.from([number(locals.length), ...locals.map(([count, type]) => [...number(count), type]), ...code, END].flat());

/** A function with code put in front of its own. */
export function withPrologue(body: Buffer, code: readonly number[]): Buffer {
  const start = startOfCode(body);
  return Buffer.concat([body.subarray(0, start), Buffer.from(code), body.subarray(start)]);
}

/** A function with code behind some of its instructions. */
export function withCodeBehind(
  body: Buffer,
  isWanted: (instruction: Instruction) => boolean,
  code: readonly number[],
): Buffer {
  const parts: Uint8Array[] = [];
  let copied = 0;
  for (const instruction of instructions(body)) {
    if (!isWanted(instruction)) continue;
    parts.push(body.subarray(copied, instruction.to), Buffer.from(code));
    copied = instruction.to;
  }
  return Buffer.concat([...parts, body.subarray(copied)]);
}

/** A function with one more local, of 32 bits, behind those it has. */
export function withLocal(body: Buffer, params: number): { body: Buffer; local: number } {
  const reader = new Reader(body);
  const groups = reader.number();
  const first = reader.at;
  let local = params;
  for (let i = 0; i < groups; i++) {
    local += reader.number();
    reader.byte();
  }
  const [before, after] = [body.subarray(first, reader.at), body.subarray(reader.at)];
  return { body: Buffer.concat([Buffer.from(number(groups + 1)), before, Buffer.from([1, I32]), after]), local };
}

/** A function with a sequence of instructions, which it has once, replaced. @throws when it does not */
export function withReplaced(body: Buffer, old: readonly number[], code: readonly number[]): Buffer {
  const wanted = Buffer.from(old);
  const places = instructions(body).filter(({ from }) => body.subarray(from, from + wanted.length).equals(wanted));
  if (places.length !== 1) throw new Error("this build of Lua has other instructions: is wasmoon another version?");
  const { from } = places[0]!;
  return Buffer.concat([body.subarray(0, from), Buffer.from(code), body.subarray(from + wanted.length)]);
}
