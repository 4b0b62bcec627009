/** Custom webhooks: registering them, sending, and what the console shows of them. */
import type { Log } from "../../log/log.ts";
import { toByteString, toText } from "../../text/byte-string.ts";
import { formatDeadLetters, formatHooks, formatQueue } from "../../webhooks/console.ts";
import type { WebHookDelivery, WebHookSink } from "../../webhooks/delivery.ts";
import type { WebHookSettings } from "../../webhooks/settings.ts";
import type { HostFunction } from "../call.ts";
import type { Complaints } from "../complaints.ts";
import type { ConsoleOutput } from "../console-output.ts";
import { readHook, readName, tellUnknownKeys } from "./webhook-keys.ts";

const MOST = 1_000_000;
/** Characters of a name that a policy made up. */
const LONGEST_NAME = 200;

/** For the configuration. @param directory what relative paths are relative to */
export function webhookConfiguration(settings: WebHookSettings, log: Log, directory: string): HostFunction[] {
  return [
    {
      name: "addCustomWebHook",
      body(call) {
        const nameBytes = readName(call, "addCustomWebHook", settings.hooks);
        const shown = `addCustomWebHook: webhook ${JSON.stringify(toText(nameBytes))}`;
        const table = call.table(2, 2);
        tellUnknownKeys(table, shown, log);
        const id = settings.hooks.length + 1;
        settings.hooks.push(readHook({ id, nameBytes, table, shown, where: call.where(), directory }));
      },
    },
    { name: "setNumWebHookThreads", body: (call) => void (settings.threads = call.integer(1, 1, MOST)) },
    { name: "setNumWebHookConnsPerThread", body: (call) => void (settings.connsPerThread = call.integer(1, 1, MOST)) },
    { name: "setWebHookQueueSize", body: (call) => void (settings.queueSize = call.integer(1, 1, MOST)) },
    { name: "setWebHookTimeoutSecs", body: (call) => void (settings.timeout = call.integer(1, 1, MOST)) },
  ];
}

/** For policies: hands an event over and returns at once. */
export const runCustomWebHook = (
  settings: WebHookSettings,
  sink: WebHookSink,
  { tell, tellOnce }: Complaints,
): HostFunction => ({
  name: "runCustomWebHook",
  body(call) {
    const name = call.text(1);
    const data = call.bytes(2);
    const hook = settings.hooks.find((candidate) => candidate.name === name);
    if (hook?.channel !== undefined) {
      tell(`runCustomWebHook: ${JSON.stringify(name)} is an alert channel: alert{} sends to it`);
      return;
    }
    if (hook) {
      const problem = sink.send(hook, data);
      if (problem) tellOnce(problem);
      return;
    }
    const shown = JSON.stringify(name.slice(0, LONGEST_NAME));
    tell(`runCustomWebHook: no webhook is named ${shown}: addCustomWebHook() registers one`);
  },
});

/** For the console: what becomes of events. */
export const webhookConsole = (delivery: WebHookDelivery, output: ConsoleOutput): HostFunction[] => [
  { name: "showCustomWebHooks", body: () => output.print(toByteString(formatHooks(delivery))) },
  { name: "showWebHookQueue", body: () => output.print(toByteString(formatQueue(delivery))) },
  { name: "showDeadLetters", body: () => output.print(toByteString(formatDeadLetters(delivery))) },
  {
    name: "resendDeadLetters",
    body(call) {
      const count = delivery.resend(call.has(1) ? call.text(1) : undefined);
      const { size } = delivery.events.deadLetters;
      output.print(toByteString(`${count} events are in the queue again, ${size} dead letters are left\n`));
    },
  },
];
