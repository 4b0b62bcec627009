/** What the TLS library takes, found by asking it. */
import { createSecureContext } from "node:tls";

/** TLS cannot be used as it is configured. The message says what is wrong and where. */
export class TlsError extends Error {
  override name = "TlsError";
}

/** Whether the library takes these settings. */
export function acceptsTls(settings: object): boolean {
  try {
    createSecureContext(settings);
    return true;
  } catch {
    return false;
  }
}
