/**
 * LuaSocket's connections (prelude/tcp.lua): what they ask of the host.
 *
 * A connection belongs to the task that used it last, until that task ends: where a policy has one for all its reports, a
 * second report waits until the first is through with it, and neither gets the other's answers. So it is in the reference,
 * where a state runs one report at a time.
 */
import { type Patience, type Pattern, type TcpConnection, TcpFailure, type TcpNetwork } from "../../net/tcp.ts";
import { type ByteString, fromBytes, toByteString } from "../../text/byte-string.ts";
import type { Clock } from "../../time/clock.ts";
import type { Call, HostFunction, Returned } from "../call.ts";
import type { Tasks } from "../tasks.ts";
import type { WaitingFunction } from "./wait.ts";

/** More are open at the same time only by mistake. */
const MOST_OPEN = 1000;
/** Milliseconds for a wait without a timeout: LuaSocket's are endless. */
const LONGEST = 86_400_000;
/** Milliseconds that a task waits at most for another to end: two may wait for each other. */
const LONGEST_TURN = 60_000;
/** Milliseconds between two looks at whether the task that has a connection has ended. */
const TURN_CHECK = 1;

interface Waiter {
  run: number;
  /** Told whether it has the connection now. */
  settle: (granted: boolean) => void;
}

/** What a socket of Lua's is here. */
interface Entry {
  connection: TcpConnection | undefined;
  patience: Patience;
  /** The run of the task that has it. */
  holder: number | undefined;
  waiters: Waiter[];
}

export class TcpSockets {
  private readonly entries = new Map<number, Entry>();
  private last = 0;
  private checking = false;

  constructor(
    private readonly network: TcpNetwork,
    private readonly clock: Clock,
    private readonly tasks: Tasks,
  ) {}

  /** Ends all connections. */
  close(): void {
    for (const { connection } of this.entries.values()) connection?.close();
    this.entries.clear();
  }

  /** Functions that answer at once. */
  readonly functions: Record<string, HostFunction> = {
    create: { name: "tcp", level: 2, body: () => this.create() },
    /** Whether the running task has the socket, or can have it at once. */
    claim: { name: "claim", body: (call) => this.claim(this.entry(call)) },
    set_timeout: { name: "settimeout", level: 2, self: 1, body: (call) => this.setTimeout(call) },
    set_option: { name: "setoption", level: 2, self: 1, body: (call) => this.setOption(call) },
    receive_now: { name: "receive", level: 2, self: 1, body: (call) => this.receiveNow(call) },
    shutdown: { name: "shutdown", level: 2, self: 1, body: (call) => this.shutdown(call) },
    peer: { name: "getpeername", body: (call) => nameOf(this.entry(call).connection?.peer) },
    own: { name: "getsockname", body: (call) => nameOf(this.entry(call).connection?.own) },
    close: { name: "close", body: (call) => this.drop(call.number(1)) },
  };

  /** Functions that wait. */
  readonly waits: Record<"turn" | "connect" | "receive" | "send" | "lookup", WaitingFunction> = {
    turn: { name: "tcp", begin: (call) => this.awaitTurn(this.entry(call)) },
    connect: { name: "connect", begin: (call) => this.connect(call) },
    receive: { name: "receive", begin: (call) => this.receive(call) },
    send: { name: "send", begin: (call) => this.send(call) },
    lookup: { name: "toip", begin: (call) => this.lookup(call.bytes(1)) },
  };

  private create(): Returned {
    if (this.entries.size >= MOST_OPEN) return [undefined, "too many open sockets" as ByteString];
    this.entries.set(++this.last, {
      connection: undefined,
      patience: { each: LONGEST, total: LONGEST },
      holder: undefined,
      waiters: [],
    });
    return this.last;
  }

  /** One that was closed is like one that never was connected. */
  private entry(call: Call): Entry {
    return (
      this.entries.get(call.number(1)) ?? {
        connection: undefined,
        patience: { each: 0, total: 0 },
        holder: undefined,
        waiters: [],
      }
    );
  }

  private drop(id: number): void {
    const entry = this.entries.get(id);
    this.entries.delete(id);
    entry?.connection?.close();
    for (const waiter of entry?.waiters ?? []) waiter.settle(true);
  }

  private claim(entry: Entry): boolean {
    const run = this.tasks.currentRun();
    if (entry.holder !== run && this.isTaken(entry)) return false;
    entry.holder = run;
    return true;
  }

  private isTaken({ holder }: Entry): boolean {
    return holder !== undefined && this.tasks.isRunning(holder);
  }

  private awaitTurn(entry: Entry): Promise<boolean> {
    return new Promise((resolve) => {
      const waiter: Waiter = {
        run: this.tasks.currentRun(),
        settle(granted) {
          cancel();
          entry.waiters = entry.waiters.filter((other) => other !== waiter);
          resolve(granted);
        },
      };
      const longest = Math.min(entry.patience.each, entry.patience.total, LONGEST_TURN);
      const cancel = this.clock.after(longest, () => waiter.settle(false));
      entry.waiters.push(waiter);
      this.check();
    });
  }

  /** Looks after the sockets that somebody waits for, while there are any. */
  private check(): void {
    if (this.checking) return;
    const wanted = [...this.entries.values()].filter(({ waiters }) => waiters.length > 0);
    if (wanted.length === 0) return;
    this.checking = true;
    for (const entry of wanted) {
      if (this.isTaken(entry)) continue;
      const next = entry.waiters[0]!;
      entry.holder = next.run;
      next.settle(true);
    }
    this.clock.after(TURN_CHECK, () => {
      this.checking = false;
      this.check();
    });
  }

  private setTimeout(call: Call): Returned {
    const seconds = call.has(2) ? call.number(2) : -1;
    const mode = call.has(3) ? call.bytes(3) : "b";
    if (!/^[bt]/.test(mode)) throw call.wrong(3, "invalid timeout mode");
    const milliseconds = seconds >= 0 ? Math.min(seconds * 1000, LONGEST) : LONGEST;
    this.entry(call).patience[mode.startsWith("t") ? "total" : "each"] = milliseconds;
    return 1;
  }

  private setOption(call: Call): Returned {
    const { connection } = this.entry(call);
    const option = call.bytes(2);
    const on = (): boolean => !call.has(3) || call.boolean(3);
    if (option === "tcp-nodelay") connection?.setNoDelay(on());
    else if (option === "keepalive") connection?.setKeepAlive(on());
    else if (option !== "reuseaddr" && option !== "linger") throw call.wrong(2, `unsupported option '${option}'`);
    return 1;
  }

  private async connect(call: Call): Promise<Returned> {
    const entry = this.entry(call);
    const [id, host, port] = [call.number(1), call.text(2), Math.trunc(call.number(3))];
    if (entry.connection) return [undefined, "already connected" as ByteString];
    const milliseconds = Math.min(entry.patience.each, entry.patience.total);
    return answered(async () => {
      const connection = await this.network.connect(host, port, milliseconds);
      if (!this.entries.has(id)) {
        connection.close();
        throw new TcpFailure("closed");
      }
      entry.connection = connection;
      return 1;
    });
  }

  private receiveNow(call: Call): Returned {
    const { connection } = this.entry(call);
    const bytes = connection?.receiveNow(patternOf(call));
    return bytes && fromBytes(bytes);
  }

  /** Answers the bytes, or nil, why, and those that came. */
  private async receive(call: Call): Promise<Returned> {
    const { connection, patience } = this.entry(call);
    const pattern = patternOf(call);
    if (!connection) return [undefined, "closed" as ByteString, "" as ByteString];
    const { bytes, problem } = await connection.receive(pattern, patience);
    return problem === undefined ? fromBytes(bytes) : [undefined, problem as ByteString, fromBytes(bytes)];
  }

  /** Answers how many bytes were sent, and why not all. */
  private async send(call: Call): Promise<Returned> {
    const { connection, patience } = this.entry(call);
    const bytes = Buffer.from(call.bytes(2), "latin1");
    if (!connection) return [0, "closed" as ByteString];
    const { sent, problem } = await connection.send(bytes, patience);
    return problem === undefined ? sent : [sent, problem as ByteString];
  }

  private shutdown(call: Call): Returned {
    const how: string = call.has(2) ? call.bytes(2) : "both";
    if (how !== "both" && how !== "send" && how !== "receive") throw call.wrong(2, `invalid option '${how}'`);
    const { connection } = this.entry(call);
    if (!connection) return [undefined, "closed" as ByteString];
    connection.shutdown(how);
    return 1;
  }

  private lookup(host: ByteString): Promise<Returned> {
    return answered(async () => {
      const addresses = await this.network.lookup(host);
      return addresses.map(toByteString);
    });
  }
}

/** As prelude/tcp.lua passes it on: a count, or LuaSocket's `*l` or `*a`, the star being optional. */
function patternOf(call: Call): Pattern {
  const pattern = call.bytes(2);
  if (/^\*?l/.test(pattern)) return "line";
  return /^\*?a/.test(pattern) ? "all" : Math.trunc(Number(pattern));
}

const nameOf = (name: [string, number] | undefined): Returned =>
  name ? [toByteString(name[0]), name[1]] : [undefined, "closed" as ByteString];

/** A failure as Lua has it: nil and a message. */
async function answered(operation: () => Promise<Returned>): Promise<Returned> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof TcpFailure) return [undefined, toByteString(error.message)];
    throw error;
  }
}
