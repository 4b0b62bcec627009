/** What mobile apps call themselves: `<brand>.<os>.<app>/<major>.<minor>… (OS: <major>.<minor>…; device: <name>)`. */
import type { ByteString } from "../text/byte-string.ts";

const APP = /^([^.\s]*)\.([^.\s]*)\.([^/\s]*)\/(?:(\d+)(?:\.(\d+))?)?/;
const OS = /\(OS: (\d+)(?:\.(\d+))?/;
const DEVICE = /; device: ([^;]*?)\)?$/;

/** Each part is read on its own; one that is not as expected is empty. */
export function parseMobileApp(id: ByteString): Record<string, string> {
  const [, brand = "", os = "", app = "", major = "", minor = ""] = APP.exec(id) ?? [];
  const [, osMajor = "", osMinor = ""] = OS.exec(id) ?? [];
  const [, device = ""] = DEVICE.exec(id) ?? [];
  return {
    "app.brand": brand,
    "app.name": app,
    "app.major": major,
    "app.minor": minor,
    "os.family": os,
    "os.major": osMajor,
    "os.minor": osMinor,
    "device.family": device,
  };
}
