/** The API's objects, with the API's own JSON names, and what this client adds to them. Invariant: nothing here exists at run time. */

import type * as schema from "./schema.js";

export type * from "./schema.js";

export type Rating = schema.FeedbackCreate["rating"];
export type ReviewStatus = NonNullable<schema.FeedbackCreate["reviewStatus"]>;
export type Scope = schema.ApiKeyCreate["scopes"][number];
export type RagStrategy = schema.Agent["ragStrategy"];
export type DataSpecType = schema.DataSpec["type"];

export interface ListParams {
  limit?: number;
  offset?: number;
  cursor?: string;
}
/** `create` and `stream` decide how it is answered. */
export type ChatRequest = Omit<schema.ChatRequest, "stream" | "semanticSearchOnly">;
export type StreamEvent =
  | { type: "message.created"; sequenceNumber: number; id: string; sessionId: string }
  | { type: "message.sources"; sequenceNumber: number; sources: schema.Source[] }
  | { type: "message.delta"; sequenceNumber: number; text: string }
  | ({ type: "message.completed"; sequenceNumber: number } & schema.ChatResponse);

/** A file with its name; text, bytes or a `Blob`. */
export type Upload = File | { name: string; data: Blob | ArrayBuffer | Uint8Array | string };

export type InteractionFilters = Omit<schema.GetInteractionsQuery, keyof ListParams>;
export type AuditFilters = Omit<schema.GetAuditEventsQuery, keyof ListParams>;
export type DeliveryFilters = Omit<schema.GetWebhooksIdDeliveriesQuery, keyof ListParams>;
export type DashboardParams = schema.GetAnalyticsChartsDashboardQuery;
export type WebhookEvent = schema.WebhookMessage;

/** What goes on in the background, with its report or its receipt. */
export type Job = schema.Replay | schema.Erasure;
