/** Why an address cannot be listened on, in words. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

import { parseAddress } from "../address/address.ts";
import { formatListener, type Listener } from "./listener.ts";

const REASONS: Record<string, string> = {
  EACCES: "it takes a right that this user does not have: see CAP_NET_BIND_SERVICE for ports below 1024",
  EADDRNOTAVAIL: "this machine has no such address",
  EMFILE: "this process has too many files open",
};

/** Format: https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.txt */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
/** A line of a socket that listens: local address and port in hexadecimal, and its inode. */
const LISTENING = /^ *\d+: ([\dA-F]+):([\dA-F]{4}) [\dA-F]+:[\dA-F]{4} 0A (?:\S+ +){5}(\d+) /gm;

/** Processes that are named; a server may have hundreds that share its socket. */
const MOST_NAMED = 3;

/** @param error what the attempt to listen threw */
export function listenFailure(listener: Listener, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === "EADDRINUSE" ? `the address is in use${describeHolders(listener)}` : REASONS[code ?? ""];
  return new Error(
    `cannot listen on ${formatListener(listener)}: ${code ?? message}${reason === undefined ? "" : `: ${reason}`}`,
  );
}

/** Nothing where the system does not tell: of processes of other users only root learns. */
function describeHolders({ hostname, port }: Listener): string {
  const pids = holders(socketsOn(hostname, port));
  if (pids.length === 0) return "";
  if (pids.includes(process.pid)) return ", by this process";
  const named = pids.slice(0, MOST_NAMED).map((pid) => `${pid}${commandOf(pid)}`);
  const more = pids.length > named.length ? ` and ${pids.length - named.length} more` : "";
  return `, by process ${named.join(", ")}${more}`;
}

/** The inodes of sockets that listen where another one would have to, as links in /proc name them. */
function socketsOn(hostname: string, port: number): ReadonlySet<string> {
  const wanted = hexAddress(hostname);
  const found = new Set<string>();
  for (const table of TABLES) {
    const lines = attempt(() => readFileSync(table, "latin1")) ?? "";
    for (const [, address, hexPort, inode] of lines.matchAll(LISTENING)) {
      if (Number.parseInt(hexPort!, 16) !== port) continue;
      if (address === wanted || /^0+$/.test(address!) || /^0*$/.test(wanted)) found.add(`socket:[${inode}]`);
    }
  }
  return found;
}

function holders(sockets: ReadonlySet<string>): number[] {
  if (sockets.size === 0) return [];
  const names = attempt(() => readdirSync("/proc")) ?? [];
  const isOne = (link: string): boolean => sockets.has(attempt(() => readlinkSync(link)) ?? "");
  return names
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => (attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []).some((fd) => isOne(`/proc/${pid}/fd/${fd}`)))
    .map(Number);
}

const commandOf = (pid: number): string => {
  const command = attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim());
  return command ? ` (${command})` : "";
};

/** An address as the tables write it: words of four bytes, each with its lowest byte first. Empty for what is none. */
function hexAddress(hostname: string): string {
  const bytes = parseAddress(hostname)?.bytes ?? "";
  return Buffer.from(bytes, "latin1").swap32().toString("hex").toUpperCase();
}

/** What a system without such a file, or a process that has just ended, does not tell is undefined. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
