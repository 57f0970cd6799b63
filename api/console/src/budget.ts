// How much of the organization's rate limits live refresh may take, learnt from the headers of every answer. Invariant: what refreshes by itself leaves most
// of a window to the organization's own clients.

/** Parts of what is left of the minute and of the day. */
const SHARE_OF_MINUTE = 0.25;
const SHARE_OF_DAY = 0.5;
const MAX_SAVED = 12;
const START_PER_S = 0.2;

class Budget {
  private saved = MAX_SAVED;
  private perSecond = START_PER_S;
  private at = performance.now();

  /** `RateLimit: "minute";r=95;t=12, "day";r=9876;t=3600`. */
  learn(headers: Headers): void {
    const windows = [...(headers.get("ratelimit") ?? "").matchAll(/"(\w+)";r=(\d+);t=(\d+)/g)];
    if (!windows.length) return;
    this.fill();
    this.perSecond = Math.min(
      ...windows.map(([, name, left, seconds]) => (Number(left) * (name === "day" ? SHARE_OF_DAY : SHARE_OF_MINUTE)) / Math.max(1, Number(seconds))),
    );
  }

  /** Whether one more request is within the share; it is counted. */
  take(): boolean {
    this.fill();
    if (this.saved < 1) return false;
    this.saved -= 1;
    return true;
  }

  private fill(): void {
    const now = performance.now();
    this.saved = Math.min(MAX_SAVED, this.saved + ((now - this.at) / 1000) * this.perSecond);
    this.at = now;
  }
}

export const budget = new Budget();
