/** What the console asks of the history: see history.lua. Each answers a text to print. */
import { formatAlerts } from "../../alerts/console.ts";
import { backup, describeHistory, describeLogin } from "../../history/console.ts";
import { keptText } from "../../history/row.ts";
import { StoreError } from "../../history/store.ts";
import { toByteString } from "../../text/byte-string.ts";
import { LuaError } from "../state.ts";
import type { HistoryAccess } from "./history.ts";
import type { WaitingFunction } from "./wait.ts";

/** Alerts that are shown of a login. */
const ALERTS_SHOWN = 10;

export const historyCommands = ({ history, alerts, resolve }: HistoryAccess): WaitingFunction[] => [
  { name: "showHistory", begin: async () => toByteString(await describeHistory(history())) },
  {
    name: "showLogin",
    async begin(call) {
      const login = keptText(call.bytes(1));
      const found = await alerts().list({ login }, ALERTS_SHOWN, { beside: true });
      if ("problem" in found) return toByteString(`${found.problem}\n`);
      const shown = found.answer.length === 0 ? "" : formatAlerts(found.answer);
      return toByteString(await describeLogin(history(), login, shown));
    },
  },
  {
    name: "backupHistory",
    async begin(call) {
      const file = resolve(call.text(1));
      try {
        return toByteString(await backup(history(), file));
      } catch (error) {
        throw error instanceof StoreError ? new LuaError(`backupHistory: ${error.message}`) : error;
      }
    },
  },
];
