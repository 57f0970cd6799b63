/** Waits for what the server does in the background. Invariant: it asks ever less often, and never for longer than `waitMs`. */

import { WaitTimeoutError } from "./errors.js";
import { sleep } from "./transport.js";

const FIRST_POLL_MS = 100;
const MAX_POLL_MS = 2_000;
const DEFAULT_WAIT_MS = 600_000;
const ENDED = ["succeeded", "failed", "canceled"];

export interface WaitOptions<T> {
  signal?: AbortSignal;
  waitMs?: number;
  /** Is given what is waited for whenever it has moved on. */
  onProgress?: (state: T) => void;
}

export async function waitFor<T extends { id: string; status: string }>(
  get: () => Promise<T>,
  { signal, waitMs = DEFAULT_WAIT_MS, onProgress }: WaitOptions<T> = {},
): Promise<T> {
  const deadline = Date.now() + waitMs;
  let seen = "";
  for (let pause = FIRST_POLL_MS; ; pause = Math.min(MAX_POLL_MS, pause * 1.5)) {
    const state = await get();
    // A heartbeat alone is no progress.
    const now = JSON.stringify({ ...state, heartbeatAt: null });
    if (now !== seen) onProgress?.(state);
    seen = now;
    if (ENDED.includes(state.status)) return state;
    if (Date.now() + pause > deadline) throw new WaitTimeoutError(`${state.id} is ${state.status} after ${waitMs} ms`);
    await sleep(pause, signal);
  }
}
