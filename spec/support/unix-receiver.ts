/** A socket that takes datagrams, as /dev/log and systemd's notify socket do. Bun has none, so libc's is called. */
import { dlopen } from "bun:ffi";
import { rmSync } from "node:fs";

/** Why specs that need such a socket cannot run; undefined when they can. */
export const NO_RECEIVER =
  process.platform === "linux" ? undefined : "sockets for datagrams are made by Linux's libc only";

const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const LONGEST = 65536;

const open = () =>
  dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "buffer", "buffer_length"], returns: "i32" },
    recv: { args: ["i32", "buffer", "buffer_length", "i32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
  }).symbols;

export interface UnixReceiver extends Disposable {
  /** What has come in since the last call. */
  read(): string[];
  /** Reads until something that was read matches. Gives all that was read by then, what came before included. */
  waitFor(pattern: RegExp): Promise<string[]>;
}

/** @param path of the socket, or `@name` for an abstract one */
export function startReceiver(path: string): UnixReceiver {
  const libc = open();
  const abstract = path.startsWith("@");
  const name = Buffer.from(abstract ? `\0${path.slice(1)}` : `${path}\0`);
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), name]);
  const socket = libc.socket(AF_UNIX, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
  if (libc.bind(socket, address, address) !== 0) throw new Error(`cannot bind ${path}`);
  const buffer = Buffer.alloc(LONGEST);
  const read = (): string[] => {
    const all: string[] = [];
    for (let size; (size = Number(libc.recv(socket, buffer, buffer, 0))) >= 0;) {
      all.push(buffer.toString("utf8", 0, size));
    }
    return all;
  };
  return {
    read,
    async waitFor(pattern) {
      const all: string[] = [];
      while (true) {
        const more = read();
        all.push(...more);
        if (more.some((text) => pattern.test(text))) return all;
        await Bun.sleep(1);
      }
    },
    [Symbol.dispose]() {
      libc.close(socket);
      if (!abstract) rmSync(path, { force: true });
    },
  };
}
