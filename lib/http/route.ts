/**
 * From a request's URL to a route: `/command/NAME` for both spellings of a command, else the path as it is.
 * String comparison only: `new URL` would cost more than running a policy.
 */

/** URLs kept; when there are more, all are forgotten. */
const MOST_REMEMBERED = 1000;
/** Characters of one that is kept. */
const LONGEST_REMEMBERED = 256;

const remembered = new Map<string, string>();

/** @param url as Bun gives it: `http://host/path?query`, or only the path when the request named no usable host */
export function routeOf(url: string): string {
  let route = remembered.get(url);
  if (route === undefined) {
    route = parse(url);
    if (url.length > LONGEST_REMEMBERED) return route;
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(url, route);
  }
  return route;
}

function parse(url: string): string {
  const target = url.startsWith("/") ? url : url.slice(url.indexOf("/", url.indexOf("://") + 3));
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  if (path !== "/" || question < 0) return decode(path);
  const command = new URLSearchParams(target.slice(question)).get("command");
  return command === null ? path : `/command/${command}`;
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
