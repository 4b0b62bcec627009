/** The ready-made policies, of which `--init` writes copies: named one by one, so that the compiled executable holds them. */
import accountRisk from "../../conf/policies/account_risk.lua" with { type: "text" };
import anonymousNetwork from "../../conf/policies/anonymous_network.lua" with { type: "text" };
import bruteForce from "../../conf/policies/brute_force.lua" with { type: "text" };
import dailySummary from "../../conf/policies/daily_summary.lua" with { type: "text" };
import distributedSpray from "../../conf/policies/distributed_spray.lua" with { type: "text" };
import dormantAccount from "../../conf/policies/dormant_account.lua" with { type: "text" };
import impossibleTravel from "../../conf/policies/impossible_travel.lua" with { type: "text" };
import init from "../../conf/policies/init.lua" with { type: "text" };
import internalAbout from "../../conf/policies/internal/about.lua" with { type: "text" };
import internalCache from "../../conf/policies/internal/cache.lua" with { type: "text" };
import internalFilters from "../../conf/policies/internal/filters.lua" with { type: "text" };
import internalHistory from "../../conf/policies/internal/history.lua" with { type: "text" };
import internalMedian from "../../conf/policies/internal/median.lua" with { type: "text" };
import internalOptions from "../../conf/policies/internal/options.lua" with { type: "text" };
import internalProfile from "../../conf/policies/internal/profile.lua" with { type: "text" };
import newCountry from "../../conf/policies/new_country.lua" with { type: "text" };
import newDevice from "../../conf/policies/new_device.lua" with { type: "text" };
import passwordSpray from "../../conf/policies/password_spray.lua" with { type: "text" };
import risk from "../../conf/policies/risk.lua" with { type: "text" };
import successAfterFailures from "../../conf/policies/success_after_failures.lua" with { type: "text" };
import volume from "../../conf/policies/volume.lua" with { type: "text" };

/** By their place in the folder `policies`. */
export const POLICY_FILES: ReadonlyMap<string, string> = new Map([
  ["account_risk.lua", accountRisk],
  ["anonymous_network.lua", anonymousNetwork],
  ["brute_force.lua", bruteForce],
  ["daily_summary.lua", dailySummary],
  ["distributed_spray.lua", distributedSpray],
  ["dormant_account.lua", dormantAccount],
  ["impossible_travel.lua", impossibleTravel],
  ["init.lua", init],
  ["internal/about.lua", internalAbout],
  ["internal/cache.lua", internalCache],
  ["internal/filters.lua", internalFilters],
  ["internal/history.lua", internalHistory],
  ["internal/median.lua", internalMedian],
  ["internal/options.lua", internalOptions],
  ["internal/profile.lua", internalProfile],
  ["new_country.lua", newCountry],
  ["new_device.lua", newDevice],
  ["password_spray.lua", passwordSpray],
  ["risk.lua", risk],
  ["success_after_failures.lua", successAfterFailures],
  ["volume.lua", volume],
]);
