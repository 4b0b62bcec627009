/** Certificates for specs, made with the openssl command. */
import { join } from "node:path";

/** Why specs that need certificates cannot run; undefined when they can. */
export const NO_OPENSSL = Bun.which("openssl") ? undefined : "openssl is not installed";

/** Makes a self-signed certificate for a host. @returns the paths of certificate and key */
export function makeCertificate(folder: string, name: string, host: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const subject = /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`;
  const made = Bun.spawnSync(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"].concat([
      "-subj",
      `/CN=${host}`,
      "-addext",
      `subjectAltName=${subject}`,
      "-out",
      cert,
      "-keyout",
      key,
    ]),
  );
  if (made.exitCode !== 0) throw new Error(`openssl failed: ${made.stderr.toString()}`);
  return { cert, key };
}
