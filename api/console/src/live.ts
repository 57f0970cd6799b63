// Refreshes by itself. The log's position, which `/readyz` tells without counting against any limit, is looked at about every second; only where it has moved is
// anything loaded again. So an idle page costs nothing and a change shows within two seconds.
import { useEffect, useRef } from "preact/hooks";
import { budget } from "./budget";

const LOOK_MS = 750;
/** A server that does not tell its position is asked this often. */
const BLIND_MS = 10_000;
/** What has not changed is answered from before, with an older position: that is no reason to ask for ever. */
const MAX_AGAIN = 4;

async function position(): Promise<unknown> {
  try {
    const body = await (await fetch("/readyz", { cache: "no-store" })).json();
    return body.position ?? Math.floor(Date.now() / BLIND_MS);
  } catch {
    return undefined;
  }
}

/** `shown` is the position that what is shown has reached, where it tells: what was loaded too early is loaded again, a few times. */
export function useLive(act: () => void, on = true, shown?: number): void {
  const latest = useRef({ act, shown });
  latest.current = { act, shown };
  useEffect(() => {
    if (!on) return;
    let seen: unknown;
    let looking = false;
    let again = 0;
    const look = async () => {
      if (document.hidden || looking) return;
      looking = true;
      const now = await position();
      looking = false;
      if (now !== seen) again = MAX_AGAIN;
      const behind = again > 0 && typeof now === "number" && latest.current.shown !== undefined && latest.current.shown < now;
      if (now === undefined || (now === seen && !behind)) return;
      const first = seen === undefined;
      if (!first && !budget.take()) return;
      seen = now;
      again -= 1;
      if (!first) latest.current.act();
    };
    void look();
    const timer = setInterval(look, LOOK_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [on]);
}

/** Asks again and again while something is under way that makes no event, such as a run's progress. */
export function usePoll(act: () => void, everyMs: number, on: boolean): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => {
      if (!document.hidden && budget.take()) latest.current();
    }, everyMs);
    return () => clearInterval(timer);
  }, [on, everyMs]);
}
