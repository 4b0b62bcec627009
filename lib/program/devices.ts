/** Makes the parser of device ids that the command line asks for. */
import { DeviceParser } from "../device/device.ts";
import { readRegexesFile } from "../device/regexes-file.ts";
import type { Log } from "../log/log.ts";

/**
 * @param regexes the file of `-R`; without it the bundled rules hold
 * @throws {RegexesFileError}
 */
export async function openDevices(regexes: string | undefined, log: Log): Promise<DeviceParser> {
  if (regexes === undefined) return new DeviceParser();
  const { rules, problems } = await readRegexesFile(regexes);
  for (const problem of problems) log.warn(problem);
  return new DeviceParser(rules);
}
