/**
 * Sends calls until they succeed or are given up on.
 *
 * Invariant: a POST has one Idempotency-Key over all its attempts, so that a retry never does a thing twice.
 */

import { APIConnectionError, APIError, APITimeoutError, TwigError, errorOf } from "./errors.js";

export const MAX_BACKOFF_MS = 8_000;
/** A server that asks for more patience than this gets none: the error says when to come back. */
export const MAX_RETRY_AFTER_MS = 60_000;
/** How long a request of the same Idempotency-Key that still runs is waited for. */
export const MAX_IN_PROGRESS_MS = 120_000;
const MAX_CACHED_ANSWERS = 256;

export interface LogEntry {
  level: "debug" | "info";
  message: string;
  method: string;
  path: string;
  status?: number;
  requestId?: string;
  attempt: number;
  delayMs?: number;
  error?: unknown;
}

/** Keeps answers by their ETag. A `Map` will do; so does anything that shares them. */
export interface ResponseCache {
  get(key: string): CachedResponse | undefined | Promise<CachedResponse | undefined>;
  set(key: string, value: CachedResponse): unknown;
}
export interface CachedResponse {
  etag: string;
  body: string;
}

export interface RequestOptions {
  signal?: AbortSignal;
  /** Milliseconds that an attempt may take; of a stream, that the server may be silent. */
  timeout?: number;
  maxRetries?: number;
  /** Instead of the one that is made for each POST. */
  idempotencyKey?: string;
  /** The version that an update or a deletion is meant for. */
  ifMatch?: number;
  headers?: Record<string, string>;
}

export interface Settings {
  apiKey: string;
  baseUrl: string;
  timeout: number;
  maxRetries: number;
  backoff: number;
  headers: Record<string, string>;
  fetch: typeof fetch;
  logger?: (entry: LogEntry) => void;
  cache?: ResponseCache;
}

export type Query = Record<string, unknown>;

export interface Call {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  query?: Query;
  body?: unknown;
  headers: Record<string, string>;
  options: RequestOptions;
}

export function call(method: Call["method"], path: string, options: RequestOptions = {}, more: { query?: Query; body?: unknown } = {}): Call {
  const headers: Record<string, string> = {};
  if (method === "POST") headers["Idempotency-Key"] = options.idempotencyKey ?? randomKey();
  if (options.ifMatch !== undefined) headers["If-Match"] = `"${options.ifMatch}"`;
  return { method, path, ...more, headers, options };
}

/** A path of segments, each of them quoted: no id can reach another route. */
export function path(...parts: string[]): string {
  return "/api/" + parts.map((part) => {
    if (!part) throw new TwigError("An id is empty");
    return /^\.\.?$/.test(part) ? "%2E".repeat(part.length) : encodeURIComponent(part);
  }).join("/");
}

/** 128 random bits in hex. Node 18 has no global `crypto`; an Idempotency-Key need only be unlike any other, not secret. */
export function randomKey(): string {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto) crypto.getRandomValues(bytes);
  else bytes.forEach((_, i) => (bytes[i] = Math.random() * 256));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Decides whether a call is made again, and when: full jitter, and never before the server's Retry-After. */
export class Attempts {
  made = 1;
  private retries = 0;
  private inProgressMs = 0;

  constructor(private readonly settings: Pick<Settings, "maxRetries" | "backoff">) {}

  /** Something came: the next failure is a first one again. */
  progressed(): void {
    this.retries = 0;
  }

  /** Milliseconds to wait before the next attempt; `undefined`: give up. */
  delayAfter(failure: unknown): number | undefined {
    if (failure instanceof APIError) failure.attempts = this.made;
    const delay = this.decide(failure);
    if (delay !== undefined) this.made += 1;
    return delay;
  }

  private decide(failure: unknown): number | undefined {
    const { maxRetries, backoff } = this.settings;
    const api = failure instanceof APIError ? failure : undefined;
    if (!api && !(failure instanceof APIConnectionError)) return undefined;
    const asked = (api?.retryAfter ?? 0) * 1000;
    if (api?.status === 409) {
      // Only "still in progress" says when to come back; any other conflict stays one.
      if (api.retryAfter === undefined || maxRetries === 0 || this.inProgressMs + asked > MAX_IN_PROGRESS_MS) return undefined;
      const delay = asked + Math.random() * backoff;
      this.inProgressMs += delay;
      return delay;
    }
    if (api && api.status !== 408 && api.status !== 429 && api.status < 500) return undefined;
    if (this.retries >= maxRetries || asked > MAX_RETRY_AFTER_MS) return undefined;
    return asked + Math.random() * Math.min(MAX_BACKOFF_MS, backoff * 2 ** this.retries++);
  }
}

/** Waits, and throws the signal's reason when it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** A response whose body is still to be read, within the attempt's time-out from chunk to chunk. */
export interface Opened {
  status: number;
  headers: Headers;
  chunks: AsyncGenerator<Uint8Array, void, undefined>;
  text(): Promise<string>;
}

export class Transport {
  /** Private in the language too, so that printing a client prints no key. */
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** The `data` of the answer. */
  async data<T>(call: Call): Promise<T> {
    return (await this.envelope(call)).data;
  }

  async envelope(call: Call): Promise<any> {
    const cache = call.method === "GET" ? this.#settings.cache : undefined;
    // Another key may see other things: an answer is kept for the key that got it.
    const address = cache && `${this.#settings.apiKey.slice(-12)} ${this.url(call)}`;
    const kept = cache && (await cache.get(address!));
    if (kept) call.headers["If-None-Match"] = kept.etag;
    const { status, headers, text } = await this.retried(call, async (opened) => ({ ...opened, text: await opened.text() }));
    const body = status === 304 && kept ? kept.body : text;
    const etag = headers.get("etag");
    if (cache && etag && status === 200) {
      // The oldest goes first, where the cache is a `Map`.
      if (cache instanceof Map && cache.size >= MAX_CACHED_ANSWERS) cache.delete(cache.keys().next().value);
      await cache.set(address!, { etag, body });
    }
    return JSON.parse(body);
  }

  /** A stream's response. Its own cuts are the caller's to mend. */
  open(call: Call, attempts?: Attempts): Promise<Opened> {
    return this.retried(call, async (opened) => opened, attempts);
  }

  attempts(call: Call): Attempts {
    return new Attempts({ ...this.#settings, maxRetries: call.options.maxRetries ?? this.#settings.maxRetries });
  }

  /** Waits as long as `attempts` says, or throws the failure. */
  async pause(call: Call, attempts: Attempts, failure: unknown): Promise<void> {
    const delayMs = attempts.delayAfter(failure);
    if (delayMs === undefined) throw failure;
    this.log(call, attempts, { level: "info", message: `again in ${Math.round(delayMs)} ms`, delayMs, error: failure });
    await sleep(delayMs, call.options.signal);
  }

  private async retried<T>(call: Call, read: (opened: Opened) => Promise<T>, attempts = this.attempts(call)): Promise<T> {
    for (;;) {
      try {
        return await read(await this.attempt(call, attempts));
      } catch (failure) {
        await this.pause(call, attempts, failure);
      }
    }
  }

  private url({ path, query = {} }: Call): string {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) search.set(name, value instanceof Date ? value.toISOString() : String(value));
    }
    return this.#settings.baseUrl + path + (search.toString() && `?${search}`);
  }

  private async attempt(call: Call, attempts: Attempts): Promise<Opened> {
    const { signal, timeout = this.#settings.timeout, headers } = call.options;
    signal?.throwIfAborted();
    const watch = new Watch(timeout, signal);
    const form = typeof FormData !== "undefined" && call.body instanceof FormData;
    try {
      const response = await this.#settings.fetch(this.url(call), {
        method: call.method,
        headers: {
          Authorization: `Bearer ${this.#settings.apiKey}`,
          Accept: "application/json",
          ...(call.body === undefined || form ? {} : { "Content-Type": "application/json" }),
          ...this.#settings.headers,
          ...call.headers,
          ...headers,
        },
        body: call.body === undefined ? undefined : form ? (call.body as FormData) : JSON.stringify(call.body),
        signal: watch.signal,
        cache: "no-store",
      });
      const chunks = read(response, watch);
      const opened: Opened = { status: response.status, headers: response.headers, chunks, text: () => textOf(chunks) };
      const requestId = response.headers.get("x-request-id") ?? undefined;
      this.log(call, attempts, { level: "debug", message: `answered ${response.status}`, status: response.status, requestId });
      if (response.ok || response.status === 304) return opened;
      throw errorOf(await errorBody(opened), response.status, response.headers);
    } catch (cause) {
      watch.end();
      throw watch.explain(cause);
    }
  }

  private log(call: Call, attempts: Attempts, entry: Pick<LogEntry, "level" | "message"> & Partial<LogEntry>): void {
    this.#settings.logger?.({ method: call.method, path: call.path, attempt: attempts.made, ...entry });
  }
}

/** One attempt's time-out, put off by everything that comes, joined with the caller's signal. */
class Watch {
  private readonly controller = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private late = false;
  private readonly abort = () => this.controller.abort(this.outer!.reason);

  constructor(private readonly timeout: number, private readonly outer?: AbortSignal) {
    outer?.addEventListener("abort", this.abort, { once: true });
    this.heard();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  heard(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.late = true;
      this.controller.abort();
    }, this.timeout);
  }

  end(): void {
    clearTimeout(this.timer);
    this.outer?.removeEventListener("abort", this.abort);
  }

  explain(cause: unknown): unknown {
    if (this.outer?.aborted) return this.outer.reason;
    if (cause instanceof TwigError) return cause;
    if (this.late) return new APITimeoutError(`Nothing came for ${this.timeout} ms`, { cause });
    return new APIConnectionError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

async function* read(response: Response, watch: Watch): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader();
  try {
    while (reader) {
      const { done, value } = await reader.read();
      if (done) return;
      watch.heard();
      yield value;
    }
  } catch (cause) {
    throw watch.explain(cause);
  } finally {
    watch.end();
    // Whoever leaves early closes the connection; of a body read whole this does nothing.
    reader?.cancel().catch(() => {});
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunks) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

async function errorBody(opened: Opened): Promise<unknown> {
  const text = await opened.text();
  try {
    return JSON.parse(text).error;
  } catch {
    return undefined;
  }
}
