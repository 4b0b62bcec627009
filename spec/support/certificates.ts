/** Certificates for specs, made with the openssl command. */
import { join } from "node:path";

/** Why specs that need certificates cannot run; undefined when they can. */
export const NO_OPENSSL = Bun.which("openssl") ? undefined : "openssl is not installed";

/** Makes a self-signed certificate for a host. @returns the paths of certificate and key */
export function makeCertificate(folder: string, name: string, host: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const made = Bun.spawnSync(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"].concat([
      "-subj",
      `/CN=${host}`,
      "-addext",
      `subjectAltName=${subjectOf(host)}`,
      "-out",
      cert,
      "-keyout",
      key,
    ]),
  );
  if (made.exitCode !== 0) throw new Error(`openssl failed: ${made.stderr.toString()}`);
  return { cert, key };
}

/** Makes a certificate for a host, signed by an authority that {@link makeCertificate} has made. @returns as that does */
export function signCertificate(
  folder: string,
  name: string,
  host: string,
  authority: { cert: string; key: string },
): { cert: string; key: string } {
  const { cert, key } = makeCertificate(folder, name, host);
  const signed = Bun.spawnSync(
    ["openssl", "x509", "-in", cert, "-CA", authority.cert, "-CAkey", authority.key, "-out", cert, "-days", "2"].concat(
      ["-CAcreateserial", "-clrext", "-extfile", "/dev/stdin"],
    ),
    { stdin: Buffer.from(`subjectAltName=${subjectOf(host)}\nbasicConstraints=CA:FALSE\n`) },
  );
  if (signed.exitCode !== 0) throw new Error(`openssl failed: ${signed.stderr.toString()}`);
  return { cert, key };
}

const subjectOf = (host: string): string => (/^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`);
