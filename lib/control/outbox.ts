/** Sends bytes over a socket of Bun's, which takes no more than there is room for: the rest waits until it drains. */
import { ByteQueue } from "../net/byte-queue.ts";

export class Outbox {
  private readonly waiting = new ByteQueue();

  constructor(private readonly socket: Pick<Bun.Socket<unknown>, "write">) {}

  /** Everything has been taken by the system. */
  get empty(): boolean {
    return this.waiting.length === 0;
  }

  send(bytes: Uint8Array): void {
    this.waiting.push(bytes);
    this.flush();
  }

  /** Sends what there is room for; to be called when the socket drains. */
  flush(): void {
    if (this.empty) return;
    // -1 when the socket has closed, which its close handler deals with.
    const sent = this.socket.write(this.waiting.peek());
    this.waiting.drop(Math.max(sent, 0));
  }
}
