/** What the console asks of the history: see history.lua. Each answers a text to print. */
import { backup, describeHistory, describeLogin } from "../../history/console.ts";
import { keptText } from "../../history/row.ts";
import { StoreError } from "../../history/store.ts";
import { toByteString } from "../../text/byte-string.ts";
import { LuaError } from "../state.ts";
import type { HistoryAccess } from "./history.ts";
import type { WaitingFunction } from "./wait.ts";

export const historyCommands = ({ history, resolve }: HistoryAccess): WaitingFunction[] => [
  { name: "showHistory", begin: async () => toByteString(await describeHistory(history())) },
  { name: "showLogin", begin: async (call) => toByteString(await describeLogin(history(), keptText(call.bytes(1)))) },
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
