/** What people may ask for (GDPR, art. 15 and 17): all that is held of a login, and that it is forgotten. */
import type { Filter } from "../../history/filter.ts";
import type { ByteString } from "../../text/byte-string.ts";
import type { LuaValue } from "../state.ts";
import { alertTable } from "./alerts.ts";
import { type HistoryAccess, list, loginAt, returned, rowTable, table } from "./history.ts";
import { entryTable } from "./profile.ts";
import type { WaitingFunction } from "./wait.ts";

/** Rows of an export, and alerts. */
const MOST_EXPORTED = 100_000;
/** What a forgotten login may still stand in. */
const NOT_REACHED = list(["logs", "recordings", "backups", "what receivers hold"] as ByteString[]);

export const personalDataFunctions = ({ history, alerts, elsewhere }: HistoryAccess): WaitingFunction[] => [
  {
    name: "forget",
    async begin(call) {
      const login = call.bytes(1);
      const result = await history().forget(loginAt(call));
      if ("problem" in result) return returned(result, () => undefined);
      const forgotten: Record<string, LuaValue> = { ...result.answer, not_reached: NOT_REACHED };
      for (const [name, forget] of elsewhere) {
        const gone = await forget(login);
        if (typeof gone === "object" && "problem" in gone) return returned(gone, () => undefined);
        forgotten[name] = typeof gone === "object" ? gone.answer : gone;
      }
      return [table(forgotten)];
    },
  },
  {
    name: "export",
    async begin(call) {
      const login = loginAt(call);
      const filter: Filter = [{ column: "login", values: [login] }];
      const rows = await history().allRows(filter, MOST_EXPORTED);
      if ("problem" in rows) return returned(rows, () => undefined);
      const profile = await history().ask({ ask: "profile", login }, { beside: true });
      if ("problem" in profile) return returned(profile, () => undefined);
      const raised = await alerts().listAll({ login }, MOST_EXPORTED);
      return returned(raised, (found) =>
        table({
          alerts: list(found.map(alertTable)),
          rows: list(rows.answer.map(rowTable)),
          profile: new Map(profile.answer.map(([feature, entries]) => [feature, list(entries.map(entryTable))])),
        }),
      );
    },
  },
];
