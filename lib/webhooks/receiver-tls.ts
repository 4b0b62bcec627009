/** TLS of webhooks: whom to trust, and who we are. */
import { readAuthorities, readCredentials } from "../net/tls.ts";
import type { WebHookSettings } from "./settings.ts";

type FetchTls = NonNullable<BunFetchRequestInit["tls"]>;

export class ReceiverTls {
  private files: FetchTls = {};

  constructor(private readonly settings: WebHookSettings["tls"]) {}

  /** For fetch. */
  get options(): FetchTls {
    const { verifyPeer, verifyHost } = this.settings;
    return {
      rejectUnauthorized: verifyPeer,
      ...(verifyHost ? {} : { checkServerIdentity: () => undefined }),
      ...this.files,
    };
  }

  /**
   * Reads the files anew. Not when the configuration is loaded: `-c` and `-e` load it too, for users who may not read the key.
   * @throws {Error} when one cannot be used, with where it is named; the former ones stay
   */
  load(): void {
    const { authorities, client } = this.settings;
    this.files = {
      ...(authorities && at(authorities.where, () => ({ ca: readAuthorities(authorities.file) }))),
      ...(client &&
        at(client.where, () => {
          const { cert, key } = readCredentials(client.files);
          return { cert, key };
        })),
    };
  }
}

function at<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${where}${(error as Error).message}`);
  }
}
