/** Alerts as mails: plain text, one mail an alert, by SMTP. */
import { connect, type Socket } from "node:net";

import { createTransport } from "nodemailer";

import type { Log } from "../../log/log.ts";
import type { Outgoing } from "../../net/outgoing.ts";
import type { Clock } from "../../time/clock.ts";
import type { Attempt, Outcome } from "../../webhooks/attempt.ts";
import type { AlertJson } from "../alert.ts";
import { messageLines, plainText, shorten } from "./plain.ts";

export interface MailSettings {
  host: string;
  port: number;
  /** TLS from the first byte; else STARTTLS, which a password demands. */
  secure: boolean;
  user: string | undefined;
  password: string;
  from: string;
  to: readonly string[];
  /** With `%{type}` and the like. */
  subject: string | undefined;
}

interface MailPorts {
  clock: Clock;
  log: Log;
  outgoing: Outgoing;
}

/** Seconds, unless the channel says otherwise: a relay may take its time to greet. */
const TIMEOUT = 30;
const LONGEST_SUBJECT = 200;
const LONGEST_REASON = 200;
/** What a subject may name. */
export const SUBJECT_FIELDS = ["type", "severity", "login", "remote", "message", "host", "count"] as const;
const LOOPBACK = /^(?:localhost|127\.[\d.]+|::1)$/;

type SmtpError = Error & { code?: string; responseCode?: number; response?: string };

function mailSubject(template: string | undefined, alert: AlertJson): string {
  const plain = template ?? (alert.summary ? "%{type} of %{host}" : "%{severity} alert: %{message}");
  const text = plain.replace(/%\{(\w+)\}/g, (_, name: string) =>
    String((alert as unknown as Record<string, unknown>)[name] ?? ""),
  );
  return shorten(plainText(`${text}${alert.final ? " (final)" : ""}`), LONGEST_SUBJECT);
}

function mailText(alert: AlertJson): string {
  const { message: _message, evidence, id, version: _version, final: _final, summary: _summary, ...fields } = alert;
  const named = { ...fields, evidence: evidence === undefined ? undefined : JSON.stringify(evidence), id };
  const lines = Object.entries(named).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${plainText(String(value))}`],
  );
  return `${messageLines(alert).join("\n")}\n\n${lines.join("\n")}\n`;
}

/** One mail, within the time of an attempt. A recipient who is refused beside others is told in the log. */
export const mailAttempt =
  (mail: MailSettings, { clock, log, outgoing }: MailPorts): Attempt =>
  async ({ hook, headers, body, heard }, signal) => {
    const timeout = hook.timeout ?? TIMEOUT;
    const { host, port, secure, user, password, from, to, subject } = mail;
    const { promise: ended, resolve: end } = Promise.withResolvers<Outcome>();
    const abort = (): void => end({ kind: "failed", reason: "interrupted" });
    signal.addEventListener("abort", abort);
    const cancel = clock.after(timeout * 1000, () => end({ kind: "failed", reason: `timed out after ${timeout} s` }));
    let socket: Socket | undefined;
    const send = async (): Promise<Outcome> => {
      socket = await connected(host, port, (made) => (socket = made));
      const open = socket;
      const transport = createTransport({
        host,
        port,
        secure,
        requireTLS: user !== undefined && !LOOPBACK.test(host),
        ...(user !== undefined && { auth: { user, pass: password } }),
        tls: outgoing.tls(hook.tls),
        getSocket: (_: unknown, callback: (error: null, options: { connection: Socket }) => void) =>
          callback(null, { connection: open }),
      });
      const alert = JSON.parse(body.toString()) as AlertJson;
      const sent = await transport.sendMail({
        from,
        to: [...to],
        subject: mailSubject(subject, alert),
        text: mailText(alert),
        date: new Date(clock.now()),
        messageId: messageId(headers["webhook-id"]!, from),
        disableFileAccess: true,
        disableUrlAccess: true,
        headers: { "Auto-Submitted": "auto-generated" },
      });
      if (sent.rejected.length > 0) {
        log.warn(
          `alert channel ${hook.name}: the relay refused ${sent.rejected.map(String).join(", ")}, not the others`,
        );
      }
      heard?.(sent.response);
      return { kind: "delivered" };
    };
    try {
      return await Promise.race([send(), ended]);
    } catch (error) {
      const { response } = error as SmtpError;
      if (response !== undefined) heard?.(response);
      return judge(error as SmtpError);
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
      socket?.destroy();
    }
  };

/** @param made told the socket at once, so that it can be given up */
function connected(host: string, port: number, made: (socket: Socket) => void): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect(port, host);
  made(socket);
  socket.once("error", reject);
  socket.once("connect", () => {
    socket.off("error", reject);
    // After the attempt nobody listens any more.
    socket.on("error", () => {});
    resolve(socket);
  });
  return promise;
}

/** The same for each attempt, so that a mail which came twice is one. */
function messageId(deliveryId: string, from: string): string {
  const id = new Bun.CryptoHasher("sha256").update(deliveryId).digest("hex").slice(0, 32);
  return `<${id}@${/@([^@>]+)>?$/.exec(from)![1]}>`;
}

/** Not the relay's own words beside its code: they are for who asks for them. */
function judge({ code, responseCode, message }: SmtpError): Outcome {
  if (code === "EAUTH") {
    const reason = `the relay refused user or password (${responseCode ?? "no answer"})`;
    return { kind: responseCode !== undefined && responseCode >= 500 ? "refused" : "failed", reason };
  }
  if (code === "ETLS" && responseCode !== undefined) return { kind: "failed", reason: "the relay has no STARTTLS" };
  if (responseCode === undefined) {
    return { kind: "failed", reason: shorten(plainText(`the mail could not be sent: ${message}`), LONGEST_REASON) };
  }
  return { kind: responseCode >= 500 ? "refused" : "failed", reason: `the relay answered ${responseCode}` };
}
