// Where the page is: the address says it all, so that every view can be linked to, reloaded and gone back from.
import { useLayoutEffect, useReducer } from "preact/hooks";

export const BASE = "/console";

export interface Place {
  /** `/console/agents/agent_1` is `["agents", "agent_1"]`. */
  path: string[];
  query: URLSearchParams;
}

/** A part that is not well encoded names nothing, and is no reason to show nothing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const read = (): Place => ({
  path: location.pathname.slice(BASE.length).split("/").filter(Boolean).map(decoded),
  query: new URLSearchParams(location.search),
});
let known = { address: "", place: read() };

/** Read at every rendering, so that no change is missed between a view's first rendering and its listening. */
function current(): Place {
  const address = location.pathname + location.search;
  if (known.address !== address) known = { address, place: read() };
  return known.place;
}

export function usePlace(): Place {
  const [, follow] = useReducer((count: number) => count + 1, 0);
  useLayoutEffect(() => {
    const changed = () => follow(undefined);
    addEventListener("popstate", changed);
    addEventListener("place", changed);
    return () => {
      removeEventListener("popstate", changed);
      removeEventListener("place", changed);
    };
  }, []);
  return current();
}

/** An address of the console: its path and the query's members that are given. */
export function to(path: string, query: Record<string, string | undefined | null> = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1]);
  const search = new URLSearchParams(given).toString();
  return `${BASE}${path}${search && `?${search}`}`;
}

export function go(address: string, replace = false): void {
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  dispatchEvent(new Event("place"));
  if (!replace) scrollTo(0, 0);
}

/** Changes members of the query; an empty one goes. */
export function setQuery(changes: Record<string, string | undefined | null>, replace = true): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const search = query.toString();
  go(location.pathname + (search && `?${search}`), replace);
}

/** Makes every plain click on a link of the console a change of place instead of a load. */
export function followLinks(): void {
  document.addEventListener("click", (event) => {
    const link = (event.target as Element | null)?.closest?.("a[href]") as HTMLAnchorElement | null;
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.download)
      return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !(url.pathname === BASE || url.pathname.startsWith(`${BASE}/`)) || url.hash) return;
    event.preventDefault();
    go(url.pathname + url.search);
  });
}
