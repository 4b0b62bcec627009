/** A mail relay for specs: SMTP by npm's smtp-server, on a port of the system's choice, with what it took kept. */
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

export interface Relay extends AsyncDisposable {
  port: number;
  /** Mails that it took, with whether they came over TLS and who sent them. */
  mails: { to: string[]; text: string; encrypted: boolean; user: unknown }[];
  /** Recipients, mails and passwords that it was asked to take, taken or not. */
  asked: { recipients: number; mails: number; passwords: number };
}

interface RelayOptions extends SMTPServerOptions {
  password?: string;
  /** SMTP's code for a recipient; 250 unless given. */
  recipient?: (address: string) => number;
  /** SMTP's code for the n-th mail, from 1; 250 unless given. */
  mail?: (n: number) => number;
}

const refusal = (code: number): Error | null =>
  code === 250 ? null : Object.assign(new Error("not today"), { responseCode: code });

export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  const { password, recipient = (): number => 250, mail = (): number => 250, ...own } = options;
  const mails: Relay["mails"] = [];
  const asked = { recipients: 0, mails: 0, passwords: 0 };
  const server = new SMTPServer({
    authOptional: password === undefined,
    allowInsecureAuth: true,
    closeTimeout: 1,
    onAuth(auth, _session, done) {
      asked.passwords++;
      if (auth.password === password) done(null, { user: auth.username });
      else done(new Error(`wrong password ${auth.password}`));
    },
    onRcptTo({ address }, _session, done) {
      asked.recipients++;
      done(refusal(recipient(address)));
    },
    onData(stream, { envelope, secure, user }, done) {
      let text = "";
      stream.on("data", (part: Buffer) => (text += part.toString()));
      stream.on("end", () => {
        const refused = refusal(mail(++asked.mails));
        const to = envelope.rcptTo.map(({ address }) => address);
        if (!refused) mails.push({ to, text, encrypted: secure, user });
        done(refused);
      });
    },
    ...(own.key === undefined && { disabledCommands: ["STARTTLS"] }),
    ...own,
  });
  // Clients that do not trust it hang up.
  server.on("error", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.server.address() as { port: number }).port,
    mails,
    asked,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
