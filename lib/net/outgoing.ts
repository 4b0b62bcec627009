/** What holds for every request that leaves for another server: whom it trusts, who we are, and which proxy it takes. */
import { type Proxies, type Proxy, proxyFor, readProxies } from "./proxy.ts";
import { type Credentials, readAuthorities, readCredentials, type TlsFiles } from "./tls.ts";

/** TLS of one request, or of one webhook, over what holds for all. Files are PEM, and absolute; `where` is `file:line: `. */
export interface TlsChoice {
  /** Whether a server needs a certificate that is trusted. */
  verify?: boolean | undefined;
  /** Whom to trust instead of those whom the system trusts. */
  authorities?: { file: string; where: string } | undefined;
  /** Who we are. */
  client?: { files: TlsFiles; where: string } | undefined;
}

export interface OutgoingSettings extends TlsChoice {
  verify: boolean;
  /** Whether the certificate has to be that host's. */
  verifyHost: boolean;
  proxies: Proxies;
}

/** For node:https, and for fetch. */
export interface ClientTls {
  rejectUnauthorized: boolean;
  checkServerIdentity?: () => undefined;
  ca?: string;
  cert?: string;
  key?: string;
}

/** Files that are remembered: a policy may name any. */
const MOST_FILES = 64;

/** @param environment has HTTP_PROXY and the like */
export const defaultOutgoingSettings = (environment: NodeJS.ProcessEnv): OutgoingSettings => ({
  verify: true,
  verifyHost: true,
  proxies: readProxies(environment),
});

export class Outgoing {
  private files = new PemFiles();

  /** @param named all that the configuration names besides the settings for all */
  constructor(
    private readonly settings: OutgoingSettings,
    private readonly named: () => Iterable<TlsChoice>,
  ) {}

  /** @throws {TlsError} when a file cannot be used */
  tls(own: TlsChoice = {}): ClientTls {
    const { verifyHost } = this.settings;
    const authorities = own.authorities ?? this.settings.authorities;
    const client = own.client ?? this.settings.client;
    const tls: ClientTls = { rejectUnauthorized: own.verify ?? this.settings.verify };
    if (!verifyHost) tls.checkServerIdentity = () => undefined;
    if (authorities) tls.ca = this.files.authorities(authorities.file);
    if (client) {
      const { cert, key } = this.files.credentials(client.files);
      tls.cert = cert;
      tls.key = key;
    }
    return tls;
  }

  proxy(url: URL): Proxy | undefined {
    return proxyFor(url, this.settings.proxies);
  }

  /**
   * Reads all files anew that the configuration names. Not when it is loaded: `-c` and `-e` load it too, for users who may
   * not read the key.
   * @throws {Error} when one cannot be used, with where it is named; the former ones stay
   */
  load(): void {
    const files = new PemFiles();
    for (const { authorities, client } of [this.settings, ...this.named()]) {
      if (authorities) at(authorities.where, () => files.authorities(authorities.file));
      if (client) at(client.where, () => files.credentials(client.files));
    }
    this.files = files;
  }
}

/** Files that have been read and checked. */
class PemFiles {
  private readonly read = new Map<string, string | Credentials>();

  authorities(file: string): string {
    return this.remember(file, () => readAuthorities(file)) as string;
  }

  credentials(files: TlsFiles): Credentials {
    return this.remember(`${files.certificate}\0${files.key}`, () => readCredentials(files)) as Credentials;
  }

  private remember(name: string, read: () => string | Credentials): string | Credentials {
    let found = this.read.get(name);
    if (found === undefined) {
      found = read();
      if (this.read.size >= MOST_FILES) this.read.clear();
      this.read.set(name, found);
    }
    return found;
  }
}

function at(where: string, read: () => unknown): void {
  try {
    read();
  } catch (error) {
    throw new Error(`${where}${(error as Error).message}`);
  }
}
