/** What the console shows of webhooks, as text. */
import { escapeControls } from "../log/log.ts";
import type { WebHookDelivery } from "./delivery.ts";
import type { Entry } from "./entry.ts";
import { publicUrl } from "./hook.ts";

/** Events that are listed; of more the number is told. */
const MOST_LISTED = 100;

/** Each webhook with how many attempts succeeded and failed, in the reference's columns. */
export function formatHooks(delivery: WebHookDelivery): string {
  const row = (id: string, name: string, successes: string, failures: string, url: string): string =>
    `${id.padEnd(9)} ${column(name, 20)} ${successes.padEnd(9)} ${failures.padEnd(9)} ${url}\n`;
  let text = row("ID", "Name", "Successes", "Failures", "URL");
  for (const hook of delivery.settings.hooks) {
    const { successes, failures } = delivery.counts(hook);
    text += row(String(hook.id), hook.name, String(successes), String(failures), publicUrl(hook));
  }
  return text;
}

/** What is to be delivered, the oldest first. */
export function formatQueue(delivery: WebHookDelivery): string {
  const { queue } = delivery.events;
  const { now } = delivery;
  const next = (entry: Entry): string => {
    const pause = delivery.pauseOf(entry);
    return pause === 0 ? "now" : formatDuration(pause);
  };
  return `${row("Delivery ID", "Webhook", "Age", "Attempts", "Next in", "Last error")}${list(
    queue,
    queue.size,
    (entry) =>
      row(entry.deliveryId, entry.hookName, ageOf(entry, now), String(entry.attempts), next(entry), entry.problem),
  )}`;
}

/** What was given up, the oldest first. */
export function formatDeadLetters({ events: { deadLetters }, now }: WebHookDelivery): string {
  return `${row("Delivery ID", "Webhook", "Age", "Attempts", "Last error")}${list(
    deadLetters,
    deadLetters.size,
    (entry) => row(entry.deliveryId, entry.hookName, ageOf(entry, now), String(entry.attempts), entry.problem),
  )}`;
}

const row = (deliveryId: string, webhook: string, ...rest: string[]): string => {
  const columns = rest.map((text, i) => (i === rest.length - 1 ? escapeControls(text) : text.padEnd(8)));
  return `${[deliveryId.padEnd(44), column(webhook, 20), ...columns].join(" ").trimEnd()}\n`;
};

function list(entries: Iterable<Entry>, size: number, format: (entry: Entry) => string): string {
  let text = "";
  let left = MOST_LISTED;
  for (const entry of entries) {
    if (left-- === 0) return `${text}and ${size - MOST_LISTED} more\n`;
    text += format(entry);
  }
  return text;
}

const column = (text: string, width: number): string => escapeControls(text).slice(0, width).padEnd(width);

const ageOf = ({ created }: Entry, now: number): string => formatDuration(Math.max(now - created, 0));

/** Milliseconds as `12s`, `5m`, `3h` or `2d`, rounded down. */
function formatDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
