/** Alerts that block: wforce's command addBLEntry (wforce_webserver(7)). `ip` and `netmask` exclude each other. */
import { formatAddress, formatNetmask, parseAddress, parseNetmask } from "../../address/address.ts";
import type { AlertJson } from "../alert.ts";

type Target = { ip?: string; netmask?: string; login?: string };

/** Whom an alert blocks; undefined for nobody. */
export function targetOf({ login, remote }: Pick<AlertJson, "login" | "remote">): Target | undefined {
  const user = login ? { login } : {};
  if (remote?.includes("/")) {
    const mask = parseNetmask(remote);
    if (mask) return { netmask: formatNetmask(mask), ...user };
  }
  const address = remote === undefined ? undefined : parseAddress(remote);
  if (address) return { ip: formatAddress(address.bytes), ...user };
  return login ? user : undefined;
}

/** The body of a request. @param expire seconds */
export const wforceBody =
  (expire: number) =>
  (event: Buffer): Buffer => {
    const alert = JSON.parse(event.toString()) as AlertJson;
    return Buffer.from(JSON.stringify({ ...targetOf(alert), expire_secs: expire, reason: alert.message }));
  };
