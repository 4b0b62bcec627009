/** What a policy prints in a replay, as lines of the log. */
import type { Log } from "../log/log.ts";
import { type ByteString, copyOf, fromBytes, toText } from "../text/byte-string.ts";

/** Bytes of a line without an end after which it is logged in pieces; less than the log cuts. */
const LONGEST_LINE = 4 * 1024;

export class PrintedLines {
  /** What has no line end yet, by the number of the stream. */
  private readonly begun = new Map<number, string>();

  constructor(private readonly log: Log) {}

  readonly write = (bytes: Uint8Array, stream: number): void => {
    const lines = ((this.begun.get(stream) ?? "") + fromBytes(bytes)).split("\n");
    let rest = lines.pop()!;
    for (const line of lines) this.tell(line);
    for (; rest.length > LONGEST_LINE; rest = rest.slice(LONGEST_LINE)) this.tell(rest.slice(0, LONGEST_LINE));
    this.begun.set(stream, copyOf(rest));
  };

  /** Logs what had no line end. */
  flush(): void {
    for (const rest of this.begun.values()) if (rest !== "") this.tell(rest);
    this.begun.clear();
  }

  private tell(line: string): void {
    this.log.info(`print: ${toText(line as ByteString)}`);
  }
}
