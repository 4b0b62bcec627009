/** The thread of an SQLite store: does what thread.ts asks for, one call after the other. */
import { StoreError } from "../store.ts";
import type { Called, Calls, Message } from "./protocol.ts";
import { SqliteStore } from "./store.ts";

declare const self: Worker;

let store: SqliteStore | undefined;

self.onmessage = ({ data }: MessageEvent<string>) => {
  const called = JSON.parse(data) as Called;
  self.postMessage(JSON.stringify(answer(called)));
};

function answer(called: Called): Message {
  try {
    return { id: called.id, result: call(called) };
  } catch (error) {
    const { problem, message } =
      error instanceof StoreError ? error : new StoreError("misuse", String((error as Error)?.stack ?? error));
    return { id: called.id, error: { problem, message } };
  }
}

function call({ method, argument }: Called): Calls[keyof Calls]["result"] {
  if (method === "open") {
    store?.close();
    store = new SqliteStore(argument);
    return store.open();
  }
  if (!store) throw new StoreError("away", "it is not open");
  switch (method) {
    case "run":
      return store.run(argument);
    case "ask":
      return store.ask(argument);
    case "tidy":
      return store.tidy(argument);
    case "backup":
      return store.backup(argument);
    case "moveAside":
      return store.moveAside(argument);
    case "close":
      return store.close();
  }
}
