// Refreshes by itself. The log's position, which `/readyz` tells without counting against any limit, is looked at about every second; only where it has moved is
// anything loaded again. So an idle page costs nothing and a change shows within two seconds.
import { useEffect, useRef } from "preact/hooks";
import { budget } from "./budget";

const LOOK_MS = 750;
/** A server that does not tell its position is asked this often. */
const BLIND_MS = 10_000;

async function position(): Promise<unknown> {
  try {
    const body = await (await fetch("/readyz", { cache: "no-store" })).json();
    return body.position ?? Math.floor(Date.now() / BLIND_MS);
  } catch {
    return undefined;
  }
}

export function useLive(act: () => void, on = true): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    if (!on) return;
    let seen: unknown;
    let looking = false;
    const look = async () => {
      if (document.hidden || looking) return;
      looking = true;
      const now = await position();
      looking = false;
      if (now === undefined || now === seen) return;
      const first = seen === undefined;
      if (!first && !budget.take()) return;
      seen = now;
      if (!first) latest.current();
    };
    void look();
    const timer = setInterval(look, LOOK_MS);
    document.addEventListener("visibilitychange", look);
    return () => { clearInterval(timer); document.removeEventListener("visibilitychange", look); };
  }, [on]);
}

/** Asks again and again while something is under way that makes no event, such as a run's progress. */
export function usePoll(act: () => void, everyMs: number, on: boolean): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => { if (!document.hidden && budget.take()) latest.current(); }, everyMs);
    return () => clearInterval(timer);
  }, [on, everyMs]);
}
