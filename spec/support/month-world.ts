/**
 * The world of the month: networks, where they are and whose they are, and GeoIP databases that say so. All of them are in
 * 198.18.0.0/15, which nobody has (RFC 2544).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { boolean, double, map, text, uint16, uint32, writeNetworks } from "./mmdb-writer.ts";

interface Place {
  country: string;
  city: string;
  latitude: number;
  longitude: number;
  /** Kilometres. */
  radius: number;
}

type Anonymous = "tor" | "vpn" | "hosting";

/** A /24. */
export interface Network {
  /** `198.18.7`, which a host's number follows. */
  prefix: string;
  place: Place;
  asn: number;
  anonymous: Anonymous | undefined;
}

const place = (country: string, city: string, latitude: number, longitude: number, radius = 20): Place => ({
  country,
  city,
  latitude,
  longitude,
  radius,
});

const BERLIN = place("DE", "Berlin", 52.52, 13.4, 5);
const HOMES = [
  BERLIN,
  place("DE", "Potsdam", 52.4, 13.06),
  place("DE", "Cottbus", 51.76, 14.33),
  place("DE", "Leipzig", 51.34, 12.37),
];
/** A mobile operator's addresses are all said to be where its gateway is. */
const GATEWAY = place("DE", "Frankfurt am Main", 50.11, 8.68, 200);
const ABROAD = [
  place("FR", "Paris", 48.86, 2.35),
  place("IT", "Rome", 41.9, 12.5),
  place("ES", "Madrid", 40.42, -3.7),
  place("GB", "London", 51.51, -0.13),
  place("US", "New York", 40.71, -74.01),
  place("AT", "Vienna", 48.21, 16.37),
  place("PL", "Warsaw", 52.23, 21.01),
  place("JP", "Tokyo", 35.68, 139.69),
  place("GR", "Athens", 37.98, 23.73),
  place("SE", "Stockholm", 59.33, 18.06),
];
/** Where attackers come from; the traveller and the newcomer among them have countries that no user visits. */
const FAR = [
  place("BR", "Sao Paulo", -23.55, -46.63),
  place("VN", "Hanoi", 21.03, 105.85),
  place("NG", "Lagos", 6.52, 3.38),
  place("KR", "Seoul", 37.57, 126.98),
];

const all: Network[] = [];

/** The next /24s of the world, each at one of the places in turn. */
function take(count: number, places: Place[], asn: number, anonymous?: Anonymous): Network[] {
  const taken = Array.from({ length: count }, (_, i): Network => {
    const number = all.length + i;
    const prefix = `198.${18 + Math.floor(number / 256)}.${number % 256}`;
    return { prefix, place: places[i % places.length]!, asn, anonymous };
  });
  all.push(...taken);
  return taken;
}

export const OFFICE = take(1, [BERLIN], 64496)[0]!;
export const HOME_NETWORKS = take(250, HOMES, 64497);
export const MOBILE_NETWORKS = take(24, [GATEWAY], 64498);
export const FOREIGN_NETWORKS = take(50, ABROAD, 64499);
export const VPN_NETWORKS = take(4, [ABROAD[3]!], 64500, "vpn");
export const TOR_NETWORKS = take(4, [ABROAD[9]!], 64501, "tor");
/** By country: Brazil, Vietnam, Nigeria, Korea, and again. */
export const FAR_NETWORKS = take(80, FAR, 64502);

export const hostIn = ({ prefix }: Network, host: number): string => `${prefix}.${1 + (host % 254)}`;

/** Databases as MaxMind makes them: City.mmdb, ASN.mmdb and Anonymous.mmdb. */
export function writeGeoIP(folder: string): void {
  const write = (file: string, type: string, networks: Network[], record: (network: Network) => Buffer): void =>
    writeFileSync(
      join(folder, file),
      writeNetworks(
        type,
        networks.map((network) => ({ network: `${network.prefix}.0/24`, record: record(network) })),
      ),
    );
  write("City.mmdb", "GeoLite2-City", all, ({ place: { country, city, latitude, longitude, radius } }) =>
    map({
      city: map({ names: map({ en: text(city) }) }),
      country: map({ iso_code: text(country) }),
      location: map({ latitude: double(latitude), longitude: double(longitude), accuracy_radius: uint16(radius) }),
    }),
  );
  write("ASN.mmdb", "GeoLite2-ASN", all, ({ asn }) => map({ autonomous_system_number: uint32(asn) }));
  const hidden = all.filter(({ anonymous }) => anonymous !== undefined);
  write("Anonymous.mmdb", "GeoIP2-Anonymous-IP", hidden, ({ anonymous }) =>
    map({
      is_anonymous: boolean(true),
      is_tor_exit_node: boolean(anonymous === "tor"),
      is_anonymous_vpn: boolean(anonymous === "vpn"),
      is_hosting_provider: boolean(anonymous === "hosting"),
    }),
  );
}
