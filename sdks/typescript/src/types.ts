/** The API's objects, with the API's own JSON names. Invariant: nothing here exists at run time. */

/** RFC 3339, a date, or a `Date`. */
export type Time = string | Date;
export type Rating = "positive" | "negative";
export type ReviewStatus = "accurate" | "edited" | "inaccurate" | "no_answer";
export type Scope =
  | "chat" | "agents:read" | "agents:write" | "agents:delete" | "data:read" | "data:write"
  | "analytics:read" | "webhooks:write" | "audit:read" | "admin";

export interface Pagination {
  limit: number;
  offset: number | null;
  total: number;
  hasMore: boolean;
  nextCursor: string | null;
}
export interface ListParams {
  limit?: number;
  offset?: number;
  cursor?: string;
}
export interface Deleted {
  id: string;
  deleted: boolean;
}
export interface Actor {
  type: "api_key" | "system" | "user";
  id: string;
  name?: string | null;
}
export interface Change {
  path: string;
  from?: unknown;
  to?: unknown;
}

export interface Source {
  index: number;
  chunkId: string;
  documentId: string;
  documentTitle: string;
  documentUrl: string;
  dataSpecId: string;
  snippet: string;
  score: number;
  location: { page?: number; headingPath: string[]; start: number; end: number };
}
export interface ChatRequest {
  prompt: string;
  agentId: string;
  sessionId?: string;
  temperature?: number;
  maxTokens?: number;
  topK?: number;
  userId?: string;
  metadata?: Record<string, string>;
}
export interface Usage {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
}
export interface ChatResponse {
  id: string;
  sessionId: string;
  agentId: string;
  agentVersion: number;
  response: string;
  sources: Source[];
  answered: boolean;
  finishReason: string;
  model: string;
  ragStrategy: RagStrategy;
  usage: Usage;
  latencyMs: number;
  createdAt: string;
  /** With a language model: the share of the answer's sentences that its sources support. */
  grounding?: number | null;
}
export type StreamEvent =
  | { type: "message.created"; sequenceNumber: number; id: string; sessionId: string }
  | { type: "message.sources"; sequenceNumber: number; sources: Source[] }
  | { type: "message.delta"; sequenceNumber: number; text: string }
  | ({ type: "message.completed"; sequenceNumber: number } & ChatResponse);

export interface SearchRequest {
  query: string;
  agentId?: string;
  dataSpecIds?: string[];
  topK?: number;
  minScore?: number;
  mode?: "hybrid" | "vector" | "keyword";
  filters?: { tags?: string[] };
}
export interface SearchResult extends Source {
  content: string;
  scores: { vector: number | null; keyword: number | null };
}
export interface SearchResults {
  results: SearchResult[];
  latencyMs: number;
}

export type RagStrategy = "redwood" | "cedar" | "cypress";
export interface DataSpecLink {
  id: string;
  enabled?: boolean;
  tier?: number;
  tags?: string[];
}
export interface AgentUpdate {
  name?: string;
  description?: string | null;
  status?: "active" | "inactive" | "draft";
  systemPrompt?: string | null;
  model?: string;
  temperature?: number;
  maxTokens?: number;
  ragStrategy?: RagStrategy;
  topK?: number;
  minScore?: number | null;
  /** With a language model, an answer whose `grounding` is below this is refused. */
  minGrounding?: number | null;
  fallbackMessage?: string;
  responseStyle?: "concise" | "detailed" | "technical" | null;
  tone?: string | null;
  language?: string | null;
  dataSpecs?: DataSpecLink[];
  /** Shorthand for `dataSpecs`. */
  dataSpecIds?: string[];
}
export type AgentCreate = AgentUpdate & { name: string };
export interface Agent extends Required<Omit<AgentUpdate, "dataSpecIds">> {
  id: string;
  version: number;
  createdAt: string;
  updatedAt: string;
  createdBy: Actor;
}
export interface AgentVersion {
  version: number;
  changes: Change[];
  actor: Actor;
  createdAt: string;
}

export interface DataSpecUpdate {
  name?: string;
  description?: string | null;
  config?: Record<string, unknown>;
  syncSchedule?: "manual" | "hourly" | "daily" | "weekly";
  tags?: string[];
  filters?: { include?: string[]; exclude?: string[] };
}
export type DataSpecType = "text" | "file" | "website" | "sitemap" | "qna_csv" | "csv" | "bucket";
export type DataSpecCreate = DataSpecUpdate & { name: string; type: DataSpecType };
export interface DataSpec extends Required<DataSpecUpdate> {
  id: string;
  type: DataSpecType;
  status: "pending" | "processing" | "active" | "failed";
  stats: { documents: number; chunks: number; bytes: number };
  embedding: { model: string; next: { model: string; done: number; total: number } | null };
  lastRun: Run | null;
  version: number;
  createdAt: string;
  updatedAt: string;
}
export interface Document {
  id: string;
  name: string;
  title: string;
  url: string;
  bytes: number;
  chunks: number;
  status: string;
}
export interface RunStarted {
  id: string;
  dataSpecId: string;
  status: Run["status"];
}
export interface Run {
  id: string;
  dataSpecId: string;
  status: "queued" | "running" | "succeeded" | "failed" | "canceled";
  stage: "fetch" | "parse" | "chunk" | "embed" | "index" | null;
  progress: { documentsSeen: number; documentsDone: number; documentsFailed: number; chunks: number };
  documents: { added: number; updated: number; unchanged: number; removed: number };
  errors: { documentUrl: string; stage: string; message: string }[];
  startedAt: string | null;
  finishedAt: string | null;
  heartbeatAt: string | null;
}
/** A `File`, or a name and its content. */
export type Upload = File | { name: string; data: Blob | ArrayBuffer | Uint8Array | string };

export interface InteractionFilters {
  agentId?: string;
  sessionId?: string;
  userId?: string;
  startDate?: Time;
  endDate?: Time;
  answered?: boolean;
  rating?: Rating;
  reviewStatus?: ReviewStatus;
  status?: Interaction["status"];
  model?: string;
  /** A document that is among the sources. */
  documentId?: string;
  q?: string;
}
export interface Feedback {
  rating: Rating;
  comment?: string | null;
  reviewStatus?: ReviewStatus | null;
  correctedResponse?: string | null;
  createdAt?: string;
}
export interface FeedbackCreate extends Omit<Feedback, "createdAt"> {
  interactionId: string;
}
/** What is `null` is not there yet (`started`), will never be (`failed`), or was erased. */
export interface Interaction {
  id: string;
  sessionId: string;
  agentId: string;
  agentVersion: number;
  prompt: string | null;
  response: string | null;
  sources: Source[];
  status: "started" | "completed" | "failed";
  error: Record<string, unknown> | null;
  answered: boolean | null;
  finishReason: string | null;
  model: string;
  ragStrategy: RagStrategy;
  usage: Usage | null;
  latencyMs: number | null;
  feedback: Feedback | null;
  reviewStatus: ReviewStatus | null;
  userId: string | null;
  metadata: Record<string, string>;
  origin: string;
  createdAt: string;
  grounding?: number | null;
  provenance?: Record<string, any>;
  feedbackHistory?: Record<string, any>[];
}
export interface Session {
  id: string;
  turns: Interaction[];
}

/** A replay or an erasure. */
export interface Job {
  id: string;
  status: "queued" | "running" | "succeeded" | "failed";
  progress: any;
  result: any;
}
export interface ReplayRequest {
  filter: Record<string, unknown>;
  agentVersion?: number;
  patch?: AgentUpdate;
  corpus?: "current" | "asOf";
  limit?: number;
}
export type ErasureRequest = { userId: string } | { sessionId: string } | { interactionId: string };

export interface DashboardParams {
  startDate?: Time;
  endDate?: Time;
  agentId?: string;
  granularity?: "hour" | "day" | "week" | "month";
  /** An IANA name. */
  timezone?: string;
}
export interface Figure {
  value: number | null;
  previous: number | null;
}
export interface Point {
  start: string;
  value: number | null;
}
export interface GroupFigures {
  id: string;
  name: string;
  interactions: number;
  answerRate: number | null;
  satisfaction: number | null;
  p95: number | null;
}
export interface Dashboard {
  range: Record<string, any>;
  freshness: { position: number; recordedAt: string | null; lagMs: number };
  summary: Record<"interactions" | "sessions" | "users" | "answerRate" | "satisfaction" | "tokens" | "failures", Figure> & {
    latencyMs: Record<"p50" | "p95" | "p99", Figure>;
  };
  charts: Record<"interactions" | "answerRate" | "satisfaction" | "tokens" | "sessions", Point[]> & {
    latency: { start: string; p50: number | null; p95: number | null; p99: number | null }[];
    byAgent: GroupFigures[];
    byModel: GroupFigures[];
    topSources: { documentId: string; title: string; url: string; citations: number }[];
    unansweredQuestions: { question: string; count: number; lastSeen: string; interactionIds: string[] }[];
    feedback: { positive: number; negative: number; byReviewStatus: Record<string, number> };
  };
}

export interface WebhookUpdate {
  url?: string;
  /** Types, `interaction.*` or `*`. */
  events?: string[];
  description?: string | null;
  filter?: { agentIds?: string[]; dataSpecIds?: string[] } | null;
  headers?: Record<string, string> | null;
  status?: "active" | "paused";
}
export type WebhookCreate = WebhookUpdate & { url: string; events: string[] };
export interface Webhook extends Required<Omit<WebhookUpdate, "status">> {
  id: string;
  status: "active" | "paused" | "disabled";
  disabledReason: string | null;
  version: number;
  /** There at creation and rotation only. */
  secret?: string;
}
export interface Delivery {
  id: string;
  status: string;
  [member: string]: any;
}
export interface WebhookEvent {
  id: string;
  type: string;
  timestamp: string;
  organizationId: string;
  sequence: number;
  data: Record<string, any>;
}

export interface ApiKey {
  id: string;
  name: string;
  scopes: Scope[];
  expiresAt: string | null;
  test?: boolean;
  /** There at creation and rotation only. */
  key?: string;
}
export interface Organization {
  id: string;
  name: string;
  plan: "free" | "pro" | "enterprise";
  limits: { perMinute: number; perDay: number };
  usage: { minute: number; today: number };
}

export interface AuditFilters {
  actor?: string;
  target?: string;
  type?: string;
  action?: string;
  from?: Time;
  to?: Time;
  q?: string;
}
export interface AuditEvent {
  id: string;
  position: number;
  occurredAt: string;
  type: string;
  actor: Actor;
  target: { type: string; id: string };
  action: string;
  changes: Change[];
  context: { requestId?: string; ip?: string; userAgent?: string };
  hash: string;
}
export interface AuditProof {
  leafIndex: number;
  treeSize: number;
  leafHash: string;
  hashes: string[];
  checkpoint: string;
}
export interface AuditCheckpoint {
  checkpoint: string;
  verifierKey: string;
}
export interface AuditConsistency {
  from: number;
  to: number;
  hashes: string[];
}
