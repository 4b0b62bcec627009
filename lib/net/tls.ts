/** TLS of listeners: certificate and key, read and checked before they are used. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";

import { acceptsTls, TlsError } from "./tls-library.ts";
import type { TlsOptions } from "./tls-options.ts";

export interface Tls {
  files: TlsFiles;
  options: TlsOptions;
  /** `file:line: ` of the call that asked for it, for messages. */
  where: string;
}

/** PEM files, absolute. */
export interface TlsFiles {
  certificate: string;
  key: string;
  /** Those who sign clients' certificates; undefined where clients need none. */
  clientAuthorities?: string;
}

/** A certificate, with the intermediate ones behind it, and its key. */
export interface Credentials {
  /** PEM, as is the key. */
  cert: string;
  key: string;
  /** Certificates of those who sign clients'; undefined where clients need none. */
  ca: string | undefined;
  /** The certificate's. */
  file: string;
  validFrom: Date;
  validUntil: Date;
}

/**
 * Not when the configuration is loaded: `-c` and `-e` load it too, for users who may not read the key.
 * @throws {TlsError} when a file cannot be read or used, or the two do not belong together
 */
export function readCredentials(files: TlsFiles): Credentials {
  const cert = readPem("certificate", files.certificate);
  const key = readPem("key", files.key);
  const certificate = parseCertificate(cert, files.certificate);
  if (!certificate.checkPrivateKey(parseKey(key, files.key))) {
    throw new TlsError(
      `${describe("certificate", files.certificate)} and ${describe("key", files.key)} are not a pair`,
    );
  }
  if (!acceptsTls({ cert, key })) {
    throw new TlsError(`${describe("certificate", files.certificate)} or one behind it in that file cannot be used`);
  }
  const ca = files.clientAuthorities === undefined ? undefined : readAuthorities(files.clientAuthorities);
  const [validFrom, validUntil] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
  return { cert, key, ca, file: files.certificate, validFrom, validUntil };
}

/**
 * The certificates of authorities, one or more in a PEM file. Not when the configuration is loaded, as above.
 * @throws {TlsError} when the file cannot be read, or has something else
 */
export function readAuthorities(file: string): string {
  const pem = readPem("certificate", file);
  const [, ...certificates] = pem.split(/^(?=-----BEGIN )/m);
  // Without one of them, fetch would trust nobody, or whom it trusts by itself.
  for (const certificate of certificates.length > 0 ? certificates : [pem]) parseCertificate(certificate, file);
  if (!acceptsTls({ ca: pem })) throw new TlsError(`${describe("certificate", file)} cannot be used`);
  return pem;
}

/** Why clients will not accept a certificate now, for a warning; undefined when its dates are good. @param now milliseconds since 1970 */
export function dateProblem(credentials: Credentials, now: number): string | undefined {
  const { file, validFrom, validUntil } = credentials;
  const certificate = describe("certificate", file);
  if (now > validUntil.getTime()) return `${certificate} expired at ${validUntil.toISOString()}`;
  if (now < validFrom.getTime()) return `${certificate} is not valid before ${validFrom.toISOString()}`;
  return undefined;
}

const describe = (what: string, file: string): string => `${what} ${JSON.stringify(file)}`;

function readPem(what: string, file: string): string {
  let problem = "it is not a regular file";
  try {
    // A pipe or a device might never end.
    if (statSync(file).isFile()) return readFileSync(file, "utf8");
  } catch (error) {
    problem = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
  throw new TlsError(`${describe(what, file)} cannot be read: ${problem}`);
}

function parseCertificate(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new TlsError(`${describe("certificate", file)} is not a certificate in PEM`);
  }
}

function parseKey(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem =
      code === "ERR_MISSING_PASSPHRASE" ? "is encrypted: remove its passphrase" : "is not a private key in PEM";
    throw new TlsError(`${describe("key", file)} ${problem}`);
  }
}
