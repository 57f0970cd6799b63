// Who is signed in. Invariant: the key lives in sessionStorage alone, goes to this server alone, and is forgotten when the server refuses it.
import { useEffect, useState } from "preact/hooks";
import { APIError, type Organization, Twig } from "twig-ai";
import { budget } from "./budget";

const KEY = "twig.key";
/** A person is told at once, with when to try again, instead of waiting a minute for a limit to pass. */
const MAX_RETRIES = 0;

let client: Twig | undefined;
/** Why the last session ended, where the server ended it. */
let ended = "";

export const signedIn = () => !!sessionStorage.getItem(KEY);
export const whyEnded = () => ended;

/** The SDK's client for the session's key. */
export function twig(): Twig {
  client ??= make(sessionStorage.getItem(KEY) ?? "none");
  return client;
}

function make(apiKey: string): Twig {
  const watched: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    budget.learn(response.headers);
    if (response.status === 401 && signedIn()) signOut("The server no longer accepts this key: it was revoked, rotated or has expired.");
    return response;
  };
  return new Twig({ apiKey, baseUrl: location.origin, maxRetries: MAX_RETRIES, fetch: watched, cache: true });
}

/** Tries the key; throws what the server said of it. A key that lacks the scope of the trial is a good one. */
export async function signIn(key: string): Promise<void> {
  try {
    await make(key).agents.list({ limit: 1 });
  } catch (failure) {
    if (!(failure instanceof APIError && failure.status === 403)) throw failure;
  }
  sessionStorage.setItem(KEY, key);
  client = undefined;
  ended = "";
  dispatchEvent(new Event("session"));
}

export function signOut(why = ""): void {
  sessionStorage.removeItem(KEY);
  client = undefined;
  ended = why;
  dispatchEvent(new Event("session"));
}

export function useSignedIn(): boolean {
  const [is, set] = useState(signedIn);
  useEffect(() => {
    const follow = () => set(signedIn());
    addEventListener("session", follow);
    return () => removeEventListener("session", follow);
  }, []);
  return is;
}

/** The organization, where the key may read it. */
export function useOrganization(): Organization | undefined {
  const [organization, set] = useState<Organization>();
  useEffect(() => {
    const load = () =>
      void twig()
        .organization.get({ maxRetries: 0 })
        .then(set, () => set(undefined));
    load();
    addEventListener("organization", load);
    return () => removeEventListener("organization", load);
  }, []);
  return organization;
}
