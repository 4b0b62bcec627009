/** What the prelude's address classes (address.lua) ask of the host. */
import {
  formatAddress,
  formatNetmask,
  maskBytes,
  matchesNetmask,
  parseAddress,
  parseNetmask,
  UNSET_ADDRESS,
} from "../../address/address.ts";
import { NetmaskGroup } from "../../address/netmask-group.ts";
import { toByteString } from "../../text/byte-string.ts";
import { quoted } from "../../text/quoted.ts";
import type { Call, HostFunction } from "../call.ts";
import type { Complaints } from "../complaints.ts";
import { LuaError } from "../state.ts";

/**
 * Netmask groups live here; Lua holds their numbers, and frees them when it collects them.
 * @param complaints is told of an address that is none; the policy goes on without it
 */
export function addressFunctions({ tell }: Complaints): Record<string, HostFunction> {
  const groups = new Map<number, NetmaskGroup>();
  let lastGroup = 0;
  const group = (call: Call): NetmaskGroup => groups.get(call.number(1))!;

  return {
    parse_address: {
      name: "newCA",
      level: 2,
      body(call) {
        const text = call.text(1);
        const address = parseAddress(text);
        if (!address) tell(`newCA: not an IP address: ${quoted(text)}`);
        const { bytes, port = 0 } = address ?? UNSET_ADDRESS;
        return [toByteString(formatAddress(bytes)), bytes, port];
      },
    },
    parse_netmask: {
      name: "newNetmask",
      level: 2,
      body(call) {
        const text = call.text(1);
        const mask = parseNetmask(text);
        if (mask) return [toByteString(formatNetmask(mask)), mask.network, mask.bits];
        tell(`newNetmask: not a netmask: ${quoted(text)}`);
        return [toByteString(""), toByteString(""), 0];
      },
    },
    mask_address: {
      name: "newNetmaskFromCA",
      level: 2,
      body(call) {
        const bytes = call.bytes(1);
        const bits = call.integer(2, 0, bytes.length * 8);
        const network = maskBytes(bytes, bits);
        return [toByteString(formatNetmask({ network, bits })), network, bits];
      },
    },
    netmask_matches: {
      name: "match",
      level: 2,
      body: (call) => matchesNetmask({ network: call.bytes(1), bits: call.number(2) }, call.bytes(3)),
    },
    new_group: {
      name: "newNetmaskGroup",
      body() {
        groups.set(++lastGroup, new NetmaskGroup());
        return lastGroup;
      },
    },
    free_group: { name: "__gc", body: (call) => void groups.delete(call.number(1)) },
    add_mask: {
      name: "addMask",
      level: 2,
      self: 1,
      body(call) {
        const text = call.text(2);
        try {
          group(call).add(text);
        } catch (error) {
          throw new LuaError(`addMask: ${(error as Error).message}`);
        }
      },
    },
    group_matches: { name: "match", body: (call) => group(call).match(call.bytes(2)) },
    group_size: { name: "size", body: (call) => group(call).size },
    clear_group: { name: "clear", body: (call) => group(call).clear() },
  };
}
