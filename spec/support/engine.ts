/** Engines for specs that need Lua but no daemon. */
import { Counters } from "../../lib/counters/counters.ts";
import { Log } from "../../lib/log/log.ts";
import type { HostFileSystem } from "../../lib/lua/disk.ts";
import { Engine } from "../../lib/lua/engine.ts";
import { type HttpClient, networkClient } from "../../lib/net/http-client.ts";
import { defaultOutgoingSettings, Outgoing } from "../../lib/net/outgoing.ts";
import { networkTcp } from "../../lib/net/tcp.ts";
import { systemClock } from "../../lib/time/clock.ts";

export interface TestEngine extends Disposable {
  engine: Engine;
  counters: Counters;
  logs: string[];
  /** Runs a chunk, whose lines are `spec.conf:N:` in messages. */
  run(source: string): Promise<void>;
  /** Runs a chunk and gives what it passed to `answer(…)`, each as `tostring` shows it. */
  values(source: string): Promise<string[]>;
}

/** What a chunk that must fail fails with. */
export async function failure({ run }: TestEngine, source: string): Promise<Error & { traceback?: string }> {
  const error = await run(source).then(
    () => undefined,
    (error: Error) => error,
  );
  if (!error) throw new Error("the chunk did not fail");
  return error;
}

/** Other servers, without a proxy, whatever the environment says. */
export const network = (): HttpClient =>
  networkClient(systemClock, new Outgoing(defaultOutgoingSettings({}), () => []));

export async function startEngine(directory = "/", files?: HostFileSystem, memory?: number): Promise<TestEngine> {
  const logs: string[] = [];
  const log = new Log({ sink: (line) => logs.push(line), verbose: true });
  const counters = new Counters(systemClock);
  const engine = await Engine.create({
    clock: systemClock,
    log,
    counters,
    directory,
    http: network(),
    tcp: networkTcp(systemClock),
    files,
    memory,
  });
  let answers: string[] = [];
  engine.define({ name: "answer_one", body: (call) => void answers.push(call.text(1)) });
  const run = (source: string): Promise<void> => engine.runFile(Buffer.from(source), "spec.conf");
  await run("function answer(...) for i = 1, select('#', ...) do answer_one(tostring((select(i, ...)))) end end");
  return {
    engine,
    counters,
    logs,
    run,
    async values(source) {
      answers = [];
      await run(source);
      return answers;
    },
    [Symbol.dispose]: () => engine.close(),
  };
}
