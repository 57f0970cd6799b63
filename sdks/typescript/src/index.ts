/** The client of the Twig AI REST API. Its parts are named as the API's routes. */

import { ApiKeys, Audit, OrganizationResource, Webhooks } from "./administration.js";
import { Chat } from "./chat.js";
import { TwigError } from "./errors.js";
import { Agents, DataSpecs } from "./knowledge.js";
import { Analytics, type Erasures, FeedbackResource, Interactions, Jobs, type Replays, Sessions } from "./records.js";
import { type LogEntry, type RequestOptions, type ResponseCache, Transport, call, path } from "./transport.js";
import type { SearchRequest, SearchResults } from "./types.js";

export * from "./errors.js";
export type * from "./types.js";
export type { CachedResponse, LogEntry, RequestOptions, ResponseCache } from "./transport.js";
export type { Page, Pages } from "./pages.js";
export type { WaitOptions } from "./wait.js";
export type { ChatStream } from "./chat.js";
export { verify as verifyWebhook, type VerifyOptions } from "./verify.js";

const DEFAULT_BASE_URL = "http://127.0.0.1:8080";
const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_RETRIES = 3;
const DEFAULT_BACKOFF_MS = 500;

export interface TwigOptions {
  /** Default: the environment's `TWIG_API_KEY`, where there is one. */
  apiKey?: string;
  /** Default: the environment's `TWIG_BASE_URL`, else `http://127.0.0.1:8080`. */
  baseUrl?: string;
  /** Milliseconds that the server may be silent in one attempt. */
  timeout?: number;
  maxRetries?: number;
  /** Milliseconds that the first wait is drawn from; it doubles with every retry, up to 8 s. */
  backoff?: number;
  headers?: Record<string, string>;
  fetch?: typeof fetch;
  logger?: (entry: LogEntry) => void;
  /** `true`: the answers of GET by their ETag, in memory. */
  cache?: boolean | ResponseCache;
}

export class Twig {
  readonly chat: Chat;
  readonly agents: Agents;
  readonly dataSpecs: DataSpecs;
  readonly interactions: Interactions;
  readonly feedback: FeedbackResource;
  readonly sessions: Sessions;
  readonly analytics: Analytics;
  readonly webhooks: Webhooks;
  readonly apiKeys: ApiKeys;
  readonly organization: OrganizationResource;
  readonly audit: Audit;
  readonly privacy: { readonly erasures: Erasures };
  readonly replays: Replays;
  private readonly transport: Transport;

  constructor(options: TwigOptions = {}) {
    const environment = (globalThis as any).process?.env ?? {};
    const apiKey = options.apiKey ?? environment.TWIG_API_KEY;
    if (!apiKey) throw new TwigError("An API key is needed: pass apiKey or set TWIG_API_KEY");
    const transport = new Transport({
      apiKey,
      baseUrl: (options.baseUrl ?? environment.TWIG_BASE_URL ?? DEFAULT_BASE_URL).replace(/\/+$/, ""),
      timeout: options.timeout ?? DEFAULT_TIMEOUT_MS,
      maxRetries: options.maxRetries ?? DEFAULT_MAX_RETRIES,
      backoff: options.backoff ?? DEFAULT_BACKOFF_MS,
      headers: options.headers ?? {},
      // Browsers refuse a fetch that is called on another object than the window.
      fetch: options.fetch ?? ((...parameters) => fetch(...parameters)),
      logger: options.logger,
      cache: options.cache === true ? new Map() : options.cache || undefined,
    });
    this.transport = transport;
    this.chat = new Chat(transport);
    this.agents = new Agents(transport, "agents");
    this.dataSpecs = new DataSpecs(transport, "data-specs");
    this.interactions = new Interactions(transport);
    this.feedback = new FeedbackResource(transport);
    this.sessions = new Sessions(transport);
    this.analytics = new Analytics(transport);
    this.webhooks = new Webhooks(transport, "webhooks");
    this.apiKeys = new ApiKeys(transport);
    this.organization = new OrganizationResource(transport);
    this.audit = new Audit(transport);
    this.privacy = { erasures: new Jobs(transport, path("privacy", "erasures"), ["privacy", "erasures"]) };
    this.replays = new Jobs(transport, path("interactions", "replay"), ["interactions", "replays"]);
  }

  /** Finds passages; no model is asked and no interaction recorded. */
  semanticSearch(body: SearchRequest, options?: RequestOptions): Promise<SearchResults> {
    return this.transport.data(call("POST", path("semantic-search"), options, { body }));
  }
}

export default Twig;
