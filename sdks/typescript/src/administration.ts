/** Webhooks, API keys, the organization and its audit trail. */

import { Collection } from "./knowledge.js";
import { Pages, csv, ndjson } from "./pages.js";
import { type RequestOptions, type Transport, call, path } from "./transport.js";
import type {
  ApiKey, ApiKeyCreate, ApiKeyWithSecret, AuditCheckpoint, AuditConsistency, AuditEvent, AuditFilters, AuditProof, Deleted, Delivery, DeliveryFilters, ListParams,
  Organization, OrganizationUpdate, SecretRotation, Webhook, WebhookCreate, WebhookReplay, WebhookReplayRequest, WebhookRetries, WebhookRetryFailed, WebhookUpdate,
  WebhookWithSecret,
} from "./types.js";
import { verify } from "./verify.js";

/** `paused` and `active` pause and resume; `replay` brings what happened in between. */
export class Webhooks extends Collection<Webhook, WebhookCreate, WebhookUpdate, WebhookWithSecret> {
  readonly verify = verify;

  /** Sends a `webhook.test` event. */
  test(id: string, options?: RequestOptions): Promise<Delivery> {
    return this.post([id, "test"], options);
  }

  /** A new secret; both sign for `overlapSeconds`. */
  rotateSecret(id: string, body: SecretRotation = {}, options?: RequestOptions): Promise<WebhookWithSecret> {
    return this.post([id, "rotate-secret"], options, body);
  }

  /** Sends history again, from a time or a position on. */
  replay(id: string, body: WebhookReplayRequest, options?: RequestOptions): Promise<WebhookReplay> {
    return this.post([id, "replay"], options, body);
  }

  /** Sends every failed delivery of a range again. */
  retryFailed(id: string, body: WebhookRetryFailed = {}, options?: RequestOptions): Promise<WebhookRetries> {
    return this.post([id, "retry-failed"], options, body);
  }

  deliveries(id: string, params?: ListParams & DeliveryFilters, options?: RequestOptions): Pages<Delivery> {
    return new Pages(this.transport, path(this.name, id, "deliveries"), { ...params }, options);
  }

  getDelivery(id: string, options?: RequestOptions): Promise<Delivery> {
    return this.transport.data(call("GET", path(this.name, "deliveries", id), options));
  }

  retryDelivery(id: string, options?: RequestOptions): Promise<Delivery> {
    return this.post(["deliveries", id, "retry"], options);
  }
}

export class ApiKeys {
  constructor(private readonly transport: Transport) {}

  list(params?: ListParams, options?: RequestOptions): Pages<ApiKey> {
    return new Pages(this.transport, path("api-keys"), { ...params }, options);
  }

  /** Its `key` is in this answer only. */
  create(body: ApiKeyCreate, options?: RequestOptions): Promise<ApiKeyWithSecret> {
    return this.transport.data(call("POST", path("api-keys"), options, { body }));
  }

  get(id: string, options?: RequestOptions): Promise<ApiKey> {
    return this.transport.data(call("GET", path("api-keys", id), options));
  }

  revoke(id: string, options?: RequestOptions): Promise<Deleted> {
    return this.transport.data(call("DELETE", path("api-keys", id), options));
  }

  /** A new secret; both work for `overlapSeconds`. */
  rotate(id: string, body: SecretRotation = {}, options?: RequestOptions): Promise<ApiKeyWithSecret> {
    return this.transport.data(call("POST", path("api-keys", id, "rotate"), options, { body }));
  }
}

export class OrganizationResource {
  constructor(private readonly transport: Transport) {}

  /** The key's organization with its limits and what of them is used. */
  get(options?: RequestOptions): Promise<Organization> {
    return this.transport.data(call("GET", path("organizations", "current"), options));
  }

  update(body: OrganizationUpdate, options?: RequestOptions): Promise<Organization> {
    return this.transport.data(call("PUT", path("organizations", "current"), options, { body }));
  }
}

export class Audit {
  constructor(private readonly transport: Transport) {}

  /** Who did what, newest first. */
  events(params?: AuditFilters & ListParams, options?: RequestOptions): Pages<AuditEvent> {
    return new Pages(this.transport, path("audit", "events"), { ...params }, options);
  }

  get(id: string, options?: RequestOptions): Promise<AuditEvent> {
    return this.transport.data(call("GET", path("audit", "events", id), options));
  }

  /** The RFC 6962 proof that an event is in the log. */
  proof(id: string, options?: RequestOptions): Promise<AuditProof> {
    return this.transport.data(call("GET", path("audit", "events", id, "proof"), options));
  }

  checkpoint(options?: RequestOptions): Promise<AuditCheckpoint> {
    return this.transport.data(call("GET", path("audit", "checkpoint"), options));
  }

  /** The proof that a tree of size `to` goes on from one of size `from`. */
  consistency(params: { from: number; to: number }, options?: RequestOptions): Promise<AuditConsistency> {
    return this.transport.data(call("GET", path("audit", "consistency"), options, { query: params }));
  }

  export(filters?: AuditFilters, options?: RequestOptions): AsyncGenerator<AuditEvent, void, undefined> {
    return ndjson(this.transport, call("GET", path("audit", "events"), options, { query: { ...filters } }));
  }

  exportCsv(filters?: AuditFilters, options?: RequestOptions): AsyncGenerator<string, void, undefined> {
    return csv(this.transport, call("GET", path("audit", "events"), options, { query: { ...filters } }));
  }
}
