/** addAlertChannel: where alerts go, and what the configuration says of it. */
import { type AlertChannel, CHANNEL_KINDS, type ChannelKind } from "../../alerts/channel.ts";
import { alertmanagerBody } from "../../alerts/formats/alertmanager.ts";
import { mailAttempt, type MailSettings, SUBJECT_FIELDS } from "../../alerts/formats/mail.ts";
import { slackBody } from "../../alerts/formats/slack.ts";
import { wforceBody } from "../../alerts/formats/wforce.ts";
import type { Config } from "../../config.ts";
import { isSeverity, SEVERITIES } from "../../history/alert-record.ts";
import type { Log } from "../../log/log.ts";
import type { Outgoing } from "../../net/outgoing.ts";
import { type ByteString, percentDecode, toByteString, toText } from "../../text/byte-string.ts";
import type { Clock } from "../../time/clock.ts";
import { DURATION_EXAMPLES, parseDuration } from "../../time/duration.ts";
import type { WebHook } from "../../webhooks/hook.ts";
import type { HostFunction } from "../call.ts";
import { type LuaTable, type LuaValue } from "../state.ts";
import { type HookSource, readHook, readName, type Refuse, refuseFor, WEBHOOK_KEYS } from "./webhook-keys.ts";

const COMMON = ["kind", "min_severity", "types"];
const TRANSPORT = ["ca", "cert", "key", "verify", "timeout", "max_attempts"];
const HTTP = ["url", ...TRANSPORT, "headers", "bearer", "basic-auth"];

const KEYS: Record<ChannelKind, readonly string[]> = {
  webhook: [...COMMON, "redact", "summary", ...WEBHOOK_KEYS],
  alertmanager: [...COMMON, "redact", ...HTTP],
  slack: [...COMMON, "redact", "summary", ...HTTP],
  wforce: [...COMMON, "url", "password", "expire", ...TRANSPORT],
  mail: [...COMMON, "redact", "summary", "relay", "from", "to", "subject", ...TRANSPORT],
};

const TYPE = /^[A-Za-z0-9_]{1,64}$/;
/** Seconds. */
const DEFAULT_EXPIRE = "1h";
const MAIL_ADDRESS = /^[^\s<>,;:"()[\]\\@\x00-\x1f\x7f]+@[^\s<>,;:"()\\@\x00-\x1f\x7f]+$/;
const CONTROLS = /[\x00-\x1f\x7f]/;
/** Ports of submission, RFC 6409 and RFC 8314. */
const PORTS: Record<string, number> = { "smtp:": 587, "smtps:": 465 };

interface ChannelPorts {
  clock: Clock;
  log: Log;
  outgoing: Outgoing;
  /** What relative paths are relative to. */
  directory: string;
}

/** For the configuration, once: a channel is a webhook, whose queue it has. */
export const alertChannelConfiguration = (config: Config, ports: ChannelPorts): HostFunction => ({
  name: "addAlertChannel",
  body(call) {
    const { hooks } = config.webhooks;
    const nameBytes = readName(call, "addAlertChannel", hooks);
    const shown = `addAlertChannel: channel ${JSON.stringify(toText(nameBytes))}`;
    const { directory } = ports;
    const table = call.table(2, 2);
    const source = { id: hooks.length + 1, nameBytes, table, shown, where: call.where(), directory };
    const channel = new ChannelReader(source, ports).read();
    hooks.push(channel.hook);
    config.channels.push(channel);
  },
});

class ChannelReader {
  private readonly refuse: Refuse;

  constructor(
    private readonly source: HookSource,
    private readonly ports: ChannelPorts,
  ) {
    this.refuse = refuseFor(source.shown);
  }

  read(): AlertChannel {
    const kind = this.kind();
    const unknown = [...this.source.table.keys()].find((key) => !KEYS[kind].includes(key as string));
    if (unknown !== undefined) {
      const name = typeof unknown === "string" ? toText(unknown) : String(unknown);
      throw this.refuse(name, `is unknown: a channel of kind ${kind} has ${KEYS[kind].join(", ")}`);
    }
    const types = this.types();
    if (kind === "wforce" && !types) throw this.refuse("types", "is missing: name the types of alerts that block");
    const [redact, summary] = [this.flag("redact"), this.flag("summary")];
    if (redact && summary) throw this.refuse("summary", "and 'redact' exclude each other: a summary names logins");
    return {
      hook: { ...this.hook(kind), channel: kind },
      kind,
      minSeverity: this.minSeverity(),
      types,
      redact,
      summary,
    };
  }

  private hook(kind: ChannelKind): WebHook {
    switch (kind) {
      case "webhook":
        return readHook(this.source);
      case "slack":
        return { ...readHook(this.source), format: slackBody };
      case "alertmanager":
        return { ...this.below(readHook(this.source), "/api/v2/alerts"), format: alertmanagerBody };
      case "wforce":
        return this.wforce();
      case "mail":
        return this.mail();
    }
  }

  private below(hook: WebHook, path: string): WebHook {
    if (/[?#]/.test(hook.url)) throw this.refuse("url", `must end before the path ${path}, which is added`);
    return { ...hook, url: hook.url.replace(/\/+$/, "") + path };
  }

  private wforce(): WebHook {
    const password = this.required("password");
    const expire = parseDuration(this.text("expire") ?? DEFAULT_EXPIRE);
    if (expire === undefined || expire < 1) throw this.refuse("expire", `must be a ${DURATION_EXAMPLES}`);
    const hook = this.below(readHook(this.source), "/?command=addBLEntry");
    const basicAuth = `wforce:${toByteString(password)}` as ByteString;
    return { ...hook, basicAuth, format: wforceBody(Math.round(expire)) };
  }

  private mail(): WebHook {
    const relay = this.relay();
    const subject = this.text("subject");
    for (const [, name] of (subject ?? "").matchAll(/%\{(\w*)\}/g)) {
      if (!(SUBJECT_FIELDS as readonly string[]).includes(name!))
        throw this.refuse("subject", `has %{…} of what is not ${SUBJECT_FIELDS.join(", ")}`);
    }
    if (CONTROLS.test(subject ?? "")) throw this.refuse("subject", "must be one line");
    const from = this.address("from", this.source.table.get("from" as ByteString));
    const list = this.source.table.get("to" as ByteString);
    const to = (list instanceof Map ? [...list.values()] : [list]).map((one) => this.address("to", one));
    if (to.length === 0) throw this.refuse("to", "is empty");
    const mail: MailSettings = { ...relay, from, to, subject };
    const shownHost = relay.host.includes(":") ? `[${relay.host}]` : relay.host;
    const url = `${relay.secure ? "smtps" : "smtp"}://${shownHost}:${relay.port}`;
    return { ...readHook(this.source, url), transport: mailAttempt(mail, this.ports) };
  }

  /** Nothing of it is shown: a password may be in it. */
  private relay(): Pick<MailSettings, "host" | "port" | "secure" | "user" | "password"> {
    const problem = "must be smtp://user:password@host:587 or smtps://…";
    const text = this.required("relay");
    const url = CONTROLS.test(text) ? null : URL.parse(text);
    if (!url || PORTS[url.protocol] === undefined || url.hostname === "" || !/^\/?$/.test(url.pathname))
      throw this.refuse("relay", problem);
    if (url.search !== "" || url.hash !== "") throw this.refuse("relay", problem);
    return {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port) || PORTS[url.protocol]!,
      secure: url.protocol === "smtps:",
      user: url.username === "" ? undefined : toText(percentDecode(url.username)),
      password: toText(percentDecode(url.password)),
    };
  }

  private address(key: string, value: LuaValue): string {
    if (value === undefined) throw this.refuse(key, "is missing");
    const text = typeof value === "string" ? toText(value) : "";
    if (!MAIL_ADDRESS.test(text)) throw this.refuse(key, "must be an address such as security@example.org");
    return text;
  }

  private kind(): ChannelKind {
    const kind = this.required("kind");
    const known = CHANNEL_KINDS.find((one) => one === kind);
    if (!known) throw this.refuse("kind", `must be one of ${CHANNEL_KINDS.join(", ")}`);
    return known;
  }

  private minSeverity(): AlertChannel["minSeverity"] {
    const text = this.text("min_severity") ?? "medium";
    if (isSeverity(text)) return text;
    throw this.refuse("min_severity", `must be one of ${SEVERITIES.join(", ")}`);
  }

  private types(): ReadonlySet<string> | undefined {
    const value: LuaValue = this.source.table.get("types" as ByteString);
    if (value === undefined) return undefined;
    const types = value instanceof Map ? [...(value as LuaTable).values()] : [];
    if (types.length === 0 || !types.every((type) => typeof type === "string" && TYPE.test(type)))
      throw this.refuse("types", 'must be a list of types such as { "password_spray" }');
    return new Set(types as string[]);
  }

  private flag(key: string): boolean {
    const value = this.source.table.get(key as ByteString) ?? false;
    if (typeof value === "boolean") return value;
    throw this.refuse(key, "must be true or false");
  }

  private text(key: string): string | undefined {
    const value = this.source.table.get(key as ByteString);
    if (value === undefined || typeof value === "string") return value && toText(value);
    throw this.refuse(key, "must be a string");
  }

  private required(key: string): string {
    const text = this.text(key);
    if (!text) throw this.refuse(key, "is missing");
    return text;
  }
}
