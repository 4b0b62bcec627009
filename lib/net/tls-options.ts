/**
 * TLS options of listeners by the names of OpenSSL's configuration files, see SSL_CONF_cmd(3). Bun's TLS is BoringSSL: what it
 * can do is done, what it does anyhow or never needs is accepted and said, and the rest is refused, for nobody should believe
 * in a protection that is not there.
 */
import { quoted } from "../text/quoted.ts";
import { acceptsTls, TlsError } from "./tls-library.ts";

/** What `Bun.serve` takes; its types do not name all that it honours. */
export interface TlsOptions {
  minVersion?: number;
  maxVersion?: number;
  /** Of TLS up to 1.2. */
  ciphers?: string;
  ecdhCurve?: string;
  sigalgs?: string;
  /** Bits of {@link Flag}. */
  secureOptions?: number;
  /** Both, for clients that must have a certificate. */
  requestCert?: true;
  rejectUnauthorized?: true;
}

interface ReadOptions {
  options: TlsOptions;
  /** The file of those who sign clients' certificates, as the configuration has it. Given when a certificate is asked for. */
  clientAuthorities?: string;
  /** A line for each option that changes nothing, with the reason. */
  notes: string[];
}

/** @param name as the configuration has it */
type Read = (name: string, value: string, into: ReadOptions) => void;

/** As they are numbered on the wire. */
const VERSIONS = [0x0301, 0x0302, 0x0303, 0x0304];
/** The least version unless given: 1.2. */
const DEFAULT_LEAST = 0x0303;
/** `TLSv1.2`, `tls1.2`, `tls12`; `TLSv1` is 1.0. */
const VERSION = /^tlsv?1[._]?([0-3])?$/i;

/** Bits that BoringSSL honours: SSL_OP_NO_TICKET and SSL_OP_CIPHER_SERVER_PREFERENCE. */
const Flag = { noTicket: 0x4000, serverPreference: 0x400000 } as const;

/** Of BoringSSL's TLS 1.3; it offers all of them, each is strong, and which one is taken cannot be set. */
const SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/** Words of `Options` without which a listener is as strict as with them, whatever their sign. */
const HARMLESS_FLAGS = [
  ["Bugs", "DHSingle", "ECDHSingle", "EmptyFragments", "EncryptThenMac", "ExtendedMasterSecret", "MiddleboxCompat"],
  ["AllowNoDHEKEX", "PreferNoDHEKEX", "AntiReplay", "CANames", "Compression", "IgnoreUnexpectedEOF", "KTLS"],
  ["KTLSTxZerocopySendfile", "NoRenegotiation", "NoResumptionOnRenegotiation", "PrioritizeChaCha"],
  ["RxCertificateCompression", "TxCertificateCompression"],
].flat();
/** These would let clients in that are not served here; to switch them off changes nothing. */
const REFUSED_FLAGS = ["ClientRenegotiation", "UnsafeLegacyRenegotiation", "UnsafeLegacyServerConnect"];

const READERS: Readonly<Record<string, Read>> = {
  MinProtocol: (name, value, { options }) => void (options.minVersion = readVersion(name, value)),
  MaxProtocol: (name, value, { options }) => void (options.maxVersion = readVersion(name, value)),
  Protocol: readProtocols,
  CipherString: readList("ciphers"),
  Groups: readList("ecdhCurve"),
  SignatureAlgorithms: readList("sigalgs"),
  Ciphersuites: readSuites,
  Options: readFlags,
  VerifyMode: readVerifyMode,
  VerifyCAFile: (_name, value, into) => void (into.clientAuthorities = value),
  ECDHParameters: (name, value, into) =>
    /^(?:\+?automatic|auto)$/i.test(value)
      ? note(into, name, "groups are chosen by themselves")
      : READERS["Groups"]!(name, value, into),
  DHParameters: (name, _, into) => note(into, name, "there are no ciphers that use them"),
  NumTickets: (name, _, into) => note(into, name, "how many tickets are sent cannot be set"),
  RecordPadding: (name, _, into) => note(into, name, "records are not padded"),
};

/** Other spellings: those of the reference's manual, of OpenSSL's command line, and its former ones. */
const ALIASES = new Map([
  ["minimumprotocol", "MinProtocol"],
  ["maximumprotocol", "MaxProtocol"],
  ["ciphers", "CipherString"],
  ["cipher", "CipherString"],
  ["curves", "Groups"],
  ["namedcurve", "ECDHParameters"],
  ["sigalgs", "SignatureAlgorithms"],
  ["dhparam", "DHParameters"],
  ["verifyclient", "VerifyMode"],
  ["clientca", "VerifyCAFile"],
]);

/** @throws {TlsError} that names the option */
export function readTlsOptions(table: Iterable<[name: string, value: string]>): ReadOptions {
  const into: ReadOptions = { options: {}, notes: [] };
  for (const [name, value] of table) {
    const reader = READERS[canonicalName(name)];
    if (!reader) throw new TlsError(`option '${name}' is not supported; known are ${Object.keys(READERS).join(", ")}`);
    reader(name, value, into);
  }
  const { minVersion = DEFAULT_LEAST, maxVersion = Infinity } = into.options;
  if (minVersion > maxVersion) {
    throw new TlsError("options MinProtocol (TLSv1.2 unless given) and MaxProtocol leave no version");
  }
  // One without the other asks nobody for a certificate, or takes one that any public authority has signed.
  if ((into.options.requestCert === undefined) !== (into.clientAuthorities === undefined)) {
    throw new TlsError("options VerifyMode = Require and VerifyCAFile need each other");
  }
  return into;
}

/** The name in {@link READERS} that is meant, whatever its case and underscores. */
function canonicalName(name: string): string {
  const plain = name.toLowerCase().replaceAll("_", "");
  return ALIASES.get(plain) ?? Object.keys(READERS).find((known) => known.toLowerCase() === plain) ?? "";
}

const note = ({ notes }: ReadOptions, name: string, reason: string): void =>
  void notes.push(`option '${name}' changes nothing: ${reason}`);

const refuse = (name: string, expected: string, value: string): TlsError =>
  new TlsError(`option '${name}': ${expected} expected, got ${quoted(value)}`);

function readVersion(name: string, value: string): number {
  const minor = VERSION.exec(value);
  if (!minor) throw refuse(name, "a version from TLSv1.0 to TLSv1.3", value);
  return VERSIONS[Number(minor[1] ?? 0)]!;
}

/** `ALL,-TLSv1.3`: versions that follow each other. Those of SSL are not there, and may be switched off. */
function readProtocols(name: string, value: string, { options }: ReadOptions): void {
  let chosen = new Set<number>();
  for (const word of value.split(",").map((part) => part.trim())) {
    const [, sign, protocol = ""] = /^([-+]?)(.*)$/s.exec(word)!;
    if (sign === "-" && /^sslv[23]$/i.test(protocol)) continue;
    // `ALL` is no wish for versions that are weak.
    const all = sign === "-" ? VERSIONS : VERSIONS.filter((version) => version >= DEFAULT_LEAST);
    const named = /^all$/i.test(protocol) ? all : [readVersion(name, protocol)];
    chosen = sign === "-" ? chosen.difference(new Set(named)) : chosen.union(new Set(named));
  }
  const [least, most] = [Math.min(...chosen), Math.max(...chosen)];
  if (chosen.size === 0 || most - least !== chosen.size - 1) {
    throw refuse(name, "versions without a gap such as TLSv1.2,TLSv1.3", value);
  }
  options.minVersion = least;
  options.maxVersion = most;
}

function readList(option: "ciphers" | "ecdhCurve" | "sigalgs"): Read {
  return (name, value, { options }) => {
    if (value === "" || !acceptsTls({ [option]: value })) throw refuse(name, "a list as OpenSSL writes it", value);
    options[option] = value;
  };
}

/** Clients may not be asked in vain: Bun would let in those, too, whose certificate is another's. */
function readVerifyMode(name: string, value: string, { options }: ReadOptions): void {
  const words = value
    .toLowerCase()
    .split(",")
    .map((word) => word.trim());
  const isRequired = words.some((word) => ["require", "required", "on", "true"].includes(word));
  if (isRequired) options.requestCert = options.rejectUnauthorized = true;
  else if (!["none", "off", "false"].includes(words.join())) throw refuse(name, "Require or None", value);
}

function readSuites(name: string, value: string, into: ReadOptions): void {
  const suites = value.split(":");
  if (!suites.every((suite) => /^TLS_[A-Z0-9_]+$/.test(suite)) || !suites.some((suite) => SUITES.includes(suite))) {
    throw refuse(name, `one of ${SUITES.join(", ")}`, value);
  }
  note(into, name, `TLS 1.3 offers all of ${SUITES.join(", ")}`);
}

function readFlags(name: string, value: string, into: ReadOptions): void {
  for (const word of value.split(",").map((part) => part.trim())) {
    const [, sign, flag = ""] = /^([-+]?)(.*)$/s.exec(word)!;
    const is = (name: string): boolean => name.toLowerCase() === flag.toLowerCase();
    const on = sign !== "-";
    if (is("SessionTicket")) setFlag(into, Flag.noTicket, !on);
    else if (is("ServerPreference")) setFlag(into, Flag.serverPreference, on);
    else if (HARMLESS_FLAGS.some(is) || (!on && REFUSED_FLAGS.some(is))) {
      note(into, `${name} ${word}`, "it is not in this library's power, or always so");
    } else throw refuse(name, "flags such as -SessionTicket or ServerPreference", word);
  }
}

function setFlag({ options }: ReadOptions, flag: number, on: boolean): void {
  const { secureOptions = 0 } = options;
  options.secureOptions = on ? secureOptions | flag : secureOptions & ~flag;
}
