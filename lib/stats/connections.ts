/** How many connections the listeners have: Bun.serve does not say, Linux does. */
import { readFile } from "node:fs/promises";

import type { Metric } from "./metric.ts";

/** Format: https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.txt */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];

/** A line of an established connection; its local port in hexadecimal is what is caught. */
const ESTABLISHED = /^ *\d+: [\dA-F]+:([\dA-F]{4}) [\dA-F]+:[\dA-F]{4} 01 /gm;

interface ConnectionsOptions {
  /** The ports that are listened on. */
  ports: () => number[];
  /** What is shown where the system has no tables of its connections. */
  instead: () => number;
  /** The tables' paths, Linux's unless given. One that is not there, such as IPv6's, is empty. */
  tables?: string[];
}

export class Connections implements Metric {
  readonly name = "trackalert_active_http_connections";

  constructor(private readonly options: ConnectionsOptions) {}

  async format(): Promise<string> {
    const help = `# HELP ${this.name} Connections to the listeners' ports; where the system does not tell, requests in flight.`;
    return `${help}\n# TYPE ${this.name} gauge\n${this.name} ${await this.count()}\n`;
  }

  private async count(): Promise<number> {
    const { ports, instead, tables = TABLES } = this.options;
    const read = await Promise.all(tables.map((table) => readFile(table, "latin1").catch(() => undefined)));
    if (read.every((table) => table === undefined)) return instead();
    const ours = new Set(ports());
    let count = 0;
    for (const [, port] of read.join("").matchAll(ESTABLISHED)) if (ours.has(Number.parseInt(port!, 16))) count++;
    return count;
  }
}
