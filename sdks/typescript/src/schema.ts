/** Made by scripts/types.mjs of the OpenAPI document: change it there. Invariant: nothing here exists at run time. */

/** RFC 3339, a date, or a `Date`. */
export type Time = string | Date;

export interface Actor {
  type: "api_key" | "system" | "user";
  id: string;
  name: string;
}

/** How questions are answered, over which data specs, by which model */
export interface Agent {
  id: string;
  name: string;
  description: string | null;
  /** Only an active agent answers */
  status: "active" | "inactive" | "draft";
  systemPrompt: string | null;
  /** `extractive`, `provider:model`, or a name at the server's own provider */
  model: string;
  temperature: number;
  maxTokens: number;
  ragStrategy: "redwood" | "cedar" | "cypress";
  topK: number;
  minScore: number | null;
  /** With a language model, an answer whose `grounding` is below this is refused */
  minGrounding?: number | null;
  fallbackMessage: string;
  responseStyle: "concise" | "detailed" | "technical" | null;
  tone: string | null;
  language: string | null;
  dataSpecs: DataSpecLink[];
  /** Grows by one with each change; the ETag */
  version: number;
  createdAt: string;
  updatedAt: string;
  createdBy: Actor;
}

export interface AgentCreate {
  name: string;
  description?: string | null;
  status?: "active" | "inactive" | "draft";
  systemPrompt?: string | null;
  model?: string;
  temperature?: number;
  maxTokens?: number;
  ragStrategy?: "redwood" | "cedar" | "cypress";
  topK?: number;
  minScore?: number | null;
  minGrounding?: number | null;
  fallbackMessage?: string;
  responseStyle?: "concise" | "detailed" | "technical" | null;
  tone?: string | null;
  language?: string | null;
  dataSpecs?: {
    id: string;
    enabled?: boolean;
    tier?: number;
    tags?: string[];
  }[];
  /** A shorthand for enabled `dataSpecs` */
  dataSpecIds?: string[];
}

export interface AgentRestore {
  version: number;
}

export interface AgentUpdate {
  name?: string;
  description?: string | null;
  status?: "active" | "inactive" | "draft";
  systemPrompt?: string | null;
  model?: string;
  temperature?: number;
  maxTokens?: number;
  ragStrategy?: "redwood" | "cedar" | "cypress";
  topK?: number;
  minScore?: number | null;
  minGrounding?: number | null;
  fallbackMessage?: string;
  responseStyle?: "concise" | "detailed" | "technical" | null;
  tone?: string | null;
  language?: string | null;
  dataSpecs?: {
    id: string;
    enabled?: boolean;
    tier?: number;
    tags?: string[];
  }[];
  /** A shorthand for enabled `dataSpecs` */
  dataSpecIds?: string[];
}

export interface AgentVersion {
  /** Grows by one with each change; the ETag */
  version: number;
  changes: Change[];
  actor: Actor;
  createdAt: string;
  /** The version that this one brings back */
  restoredFrom?: number;
}

export interface ApiKey {
  id: string;
  name: string;
  scopes: ("chat" | "agents:read" | "agents:write" | "agents:delete" | "data:read" | "data:write" | "analytics:read" | "webhooks:write" | "audit:read" | "admin")[];
  expiresAt: string | null;
  test: boolean;
  lastFour: string;
  /** Grows by one with each change; the ETag */
  version: number;
  createdAt: string;
  updatedAt: string;
}

export interface ApiKeyCreate {
  name: string;
  scopes: ("chat" | "agents:read" | "agents:write" | "agents:delete" | "data:read" | "data:write" | "analytics:read" | "webhooks:write" | "audit:read" | "admin")[];
  expiresAt?: Time | null;
  test?: boolean;
}

export interface ApiKeyWithSecret {
  id: string;
  name: string;
  scopes: ("chat" | "agents:read" | "agents:write" | "agents:delete" | "data:read" | "data:write" | "analytics:read" | "webhooks:write" | "audit:read" | "admin")[];
  expiresAt: string | null;
  test: boolean;
  lastFour: string;
  /** Grows by one with each change; the ETag */
  version: number;
  createdAt: string;
  updatedAt: string;
  /** The key itself, in this answer only */
  key: string;
}

/** A signed note (C2SP tlog-checkpoint) and the key that checks it */
export interface AuditCheckpoint {
  checkpoint: string;
  verifierKey: string;
  /** The notes by which each key of the server handed over to the next */
  handOvers: string[];
}

export interface AuditConsistency {
  from: number;
  to: number;
  hashes: string[];
}

/** Who did what to which thing, from where; without personal text and secrets */
export interface AuditEvent {
  id: string;
  /** A position of the event log */
  position: number;
  occurredAt: string;
  type: string;
  actor: Actor;
  target: {
    type: string;
    id: string;
  };
  action: string;
  changes: Change[];
  context: {
    requestId: string | null;
    ip: string | null;
    userAgent: string | null;
    eventSha256: string;
  };
  /** The RFC 6962 leaf hash in base64 */
  hash: string;
}

/** That an event is a leaf of the tree whose root is signed (RFC 6962) */
export interface AuditProof {
  leafIndex: number;
  treeSize: number;
  leafHash: string;
  /** The path to the root, in base64 */
  hashes: string[];
  checkpoint: string;
}

export interface Change {
  /** A JSON pointer */
  path: string;
  /** Any value */
  from: unknown;
  /** Any value */
  to: unknown;
}

export interface ChatRequest {
  prompt: string;
  agentId: string;
  sessionId?: string;
  stream?: boolean;
  temperature?: number;
  maxTokens?: number;
  topK?: number;
  userId?: string;
  metadata?: Record<string, string>;
  semanticSearchOnly?: boolean;
}

export interface ChatResponse {
  id: string;
  sessionId: string;
  agentId: string;
  /** Grows by one with each change; the ETag */
  agentVersion: number;
  /** Each `[n]` is the `index` of a source */
  response: string;
  /** In falling score, numbered from 1 */
  sources: Source[];
  /** `false` when nothing relevant was found; `response` is then the agent's `fallbackMessage` */
  answered: boolean;
  /** `stop`, or `length` */
  finishReason: string;
  model: string;
  ragStrategy: "redwood" | "cedar" | "cypress";
  usage: Usage;
  latencyMs: number;
  createdAt: string;
  /** The share of the answer's sentences that its sources support; `null` without a language model */
  grounding: number | null;
}

export interface CitedSource {
  documentId: string;
  title: string | null;
  url: string | null;
  citations: number;
}

export interface Dashboard {
  range: {
    start: string;
    end: string;
    granularity: "hour" | "day" | "week" | "month";
    timezone: string;
    previous: {
      start: string;
      end: string;
    };
  };
  freshness: {
    /** A position of the event log */
    position: number;
    recordedAt: string | null;
    lagMs: number;
  };
  summary: {
    users: Figure;
    failures: Figure;
    answerRate: Figure;
    satisfaction: Figure;
    interactions: Figure;
    sessions: Figure;
    tokens: Figure;
    latencyMs: {
      p50: Figure;
      p95: Figure;
      p99: Figure;
    };
  };
  charts: {
    answerRate: Point[];
    satisfaction: Point[];
    interactions: Point[];
    sessions: Point[];
    tokens: Point[];
    latency: LatencyPoint[];
    byAgent: GroupFigures[];
    byModel: GroupFigures[];
    topSources: CitedSource[];
    unansweredQuestions: UnansweredQuestion[];
    feedback: {
      positive: number;
      negative: number;
      byReviewStatus: {
        accurate: number;
        edited: number;
        inaccurate: number;
        no_answer: number;
      };
    };
  };
}

export interface DataSpec {
  id: string;
  name: string;
  description: string | null;
  type: "text" | "file" | "website" | "sitemap" | "qna_csv" | "csv" | "bucket";
  /** Secrets are answered as `***` */
  config: Record<string, any>;
  syncSchedule: "manual" | "hourly" | "daily" | "weekly";
  tags: string[];
  filters: {
    include: string[];
    exclude: string[];
  };
  status: "pending" | "processing" | "active" | "failed";
  stats: {
    documents: number;
    chunks: number;
    bytes: number;
  };
  embedding: {
    model: string | null;
    /** The sharper model that is being prepared */
    next: {
      model: string;
      done: number;
      total: number;
    } | null;
  };
  lastRun: Run | null;
  /** Grows by one with each change; the ETag */
  version: number;
  createdAt: string;
  updatedAt: string;
}

export interface DataSpecCreate {
  name: string;
  description?: string | null;
  /** By `type`. text: `title`, `content`. website: `url`, `maxDepth`, `maxPages`, `include`, `exclude`, `requestsPerSecond`. sitemap: `url`, `include`, `exclude`, `requestsPerSecond`. csv, qna_csv: `url`, or by upload. bucket: `url` (s3://, gs://, az://, file://), `prefix`, `endpoint`, `region`, `accessKeyId`, `secretAccessKey`, `sessionToken`, `include`, `exclude`. file: nothing, by upload. Secrets are answered as `***`; a PUT of `***` keeps them. */
  config?: Record<string, any>;
  syncSchedule?: "manual" | "hourly" | "daily" | "weekly";
  tags?: string[];
  filters?: {
    include?: string[];
    exclude?: string[];
  };
  type: "text" | "file" | "website" | "sitemap" | "qna_csv" | "csv" | "bucket";
}

export interface DataSpecLink {
  id: string;
  enabled: boolean;
  tier: number;
  tags: string[];
}

export interface DataSpecUpdate {
  name?: string;
  description?: string | null;
  /** By `type`. text: `title`, `content`. website: `url`, `maxDepth`, `maxPages`, `include`, `exclude`, `requestsPerSecond`. sitemap: `url`, `include`, `exclude`, `requestsPerSecond`. csv, qna_csv: `url`, or by upload. bucket: `url` (s3://, gs://, az://, file://), `prefix`, `endpoint`, `region`, `accessKeyId`, `secretAccessKey`, `sessionToken`, `include`, `exclude`. file: nothing, by upload. Secrets are answered as `***`; a PUT of `***` keeps them. */
  config?: Record<string, any>;
  syncSchedule?: "manual" | "hourly" | "daily" | "weekly";
  tags?: string[];
  filters?: {
    include?: string[];
    exclude?: string[];
  };
  /** As it was created: a type does not change */
  type?: "text" | "file" | "website" | "sitemap" | "qna_csv" | "csv" | "bucket";
}

export interface Deleted {
  id: string;
  deleted: true;
}

export interface Delivery {
  id: string;
  webhookId: string;
  eventId: string;
  type: "interaction.created" | "interaction.completed" | "interaction.failed" | "interaction.feedback" | "agent.created" | "agent.updated" | "agent.deleted" | "datasource.created" | "datasource.updated" | "datasource.deleted" | "datasource.processed" | "datasource.failed" | "webhook.test" | "webhook.disabled";
  sequence: number;
  position: number | null;
  status: "pending" | "succeeded" | "failed";
  replayed: boolean;
  nextAttemptAt: string | null;
  createdAt: string;
  attempts: DeliveryAttempt[];
  /** The message, when one delivery is read */
  payload?: unknown;
}

export interface DeliveryAttempt {
  number: number;
  at: string;
  /** Of the endpoint's answer */
  status: number | null;
  latencyMs: number;
  response: string | null;
  error: string | null;
}

export interface Document {
  id: string;
  name: string;
  title: string;
  url: string | null;
  bytes: number;
  chunks: number;
  status: string;
}

/** An erasure; its `result` is there when it has ended */
export interface Erasure {
  id: string;
  status: "queued" | "running" | "succeeded" | "failed";
  progress: {
    done: number;
    total: number | null;
  };
  result: ErasureReceipt | JobFailure | null;
}

/** What an erasure came to */
export interface ErasureReceipt {
  erasedAt: string;
  interactions: number;
  /** Keys that were destroyed, whole or for single interactions */
  keys: number;
  /** What each store held, and holds no longer */
  stores: {
    store: string;
    cleared: number;
    note: string;
  }[];
  /** Webhooks that were sent the words, and must be asked to erase them themselves */
  receivers: {
    webhookId: string;
    deliveries: number;
  }[];
  /** What the message broker, backups and model providers may still hold */
  beyond: string[];
}

export interface ErasureRequest {
  userId?: string;
  sessionId?: string;
  interactionId?: string;
}

export interface Feedback {
  rating: "positive" | "negative";
  comment: string | null;
  reviewStatus: "accurate" | "edited" | "inaccurate" | "no_answer" | null;
  correctedResponse: string | null;
  createdAt: string;
}

export interface FeedbackCreate {
  interactionId: string;
  rating: "positive" | "negative";
  comment?: string | null;
  reviewStatus?: "accurate" | "edited" | "inaccurate" | "no_answer" | null;
  correctedResponse?: string | null;
}

export interface FeedbackHistory {
  rating: "positive" | "negative";
  comment: string | null;
  reviewStatus: "accurate" | "edited" | "inaccurate" | "no_answer" | null;
  correctedResponse: string | null;
  createdAt: string;
  actor: Actor;
}

export interface Figure {
  value: number | null;
  previous: number | null;
}

export interface GroupFigures {
  id: string;
  name: string | null;
  interactions: number;
  answerRate: number | null;
  satisfaction: number | null;
  p95: number | null;
}

export interface Interaction {
  id: string;
  sessionId: string;
  agentId: string;
  /** Grows by one with each change; the ETag */
  agentVersion: number;
  response: string | null;
  /** In falling score, numbered from 1 */
  sources: Source[];
  answered: boolean | null;
  finishReason: string | null;
  model: string;
  ragStrategy: "redwood" | "cedar" | "cypress";
  usage: Usage | null;
  latencyMs: number | null;
  createdAt: string;
  /** The share of the answer's sentences that its sources support; `null` without a language model */
  grounding: number | null;
  prompt: string | null;
  status: "started" | "completed" | "failed";
  error: {
    code: string;
    message: string;
  } | null;
  feedback: Feedback | null;
  reviewStatus: "accurate" | "edited" | "inaccurate" | "no_answer" | null;
  userId: string | null;
  metadata: Record<string, string>;
  origin: "api" | "openai" | "mcp" | "console" | "import";
  /** Grows by one with each change; the ETag */
  version: number;
  erased?: true;
  /** With `include=provenance` */
  provenance?: Provenance | null;
  /** With `include=history` */
  feedbackHistory?: FeedbackHistory[];
}

/** Why a job failed */
export interface JobFailure {
  reason: string;
}

export interface LatencyPoint {
  start: string;
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

export interface Location {
  /** Only where the format has pages */
  page?: number;
  headingPath: string[];
  /** A character offset in the extracted text */
  start: number;
  end: number;
}

export interface MessageCompleted {
  id: string;
  sessionId: string;
  agentId: string;
  /** Grows by one with each change; the ETag */
  agentVersion: number;
  /** Each `[n]` is the `index` of a source */
  response: string;
  /** In falling score, numbered from 1 */
  sources: Source[];
  /** `false` when nothing relevant was found; `response` is then the agent's `fallbackMessage` */
  answered: boolean;
  /** `stop`, or `length` */
  finishReason: string;
  model: string;
  ragStrategy: "redwood" | "cedar" | "cypress";
  usage: Usage;
  latencyMs: number;
  createdAt: string;
  /** The share of the answer's sentences that its sources support; `null` without a language model */
  grounding: number | null;
  type: "message.completed";
  /** From 0, without a gap */
  sequenceNumber: number;
}

export interface MessageCreated {
  id: string;
  sessionId: string;
  type: "message.created";
  /** From 0, without a gap */
  sequenceNumber: number;
}

export interface MessageDelta {
  text: string;
  type: "message.delta";
  /** From 0, without a gap */
  sequenceNumber: number;
}

export interface MessageError {
  /** Carries the meaning */
  code: "invalid_request" | "unauthorized" | "forbidden" | "not_found" | "method_not_allowed" | "conflict" | "precondition_failed" | "payload_too_large" | "unsupported_media_type" | "idempotency_mismatch" | "rate_limit_exceeded" | "internal_error" | "upstream_error" | "unavailable" | "upstream_timeout";
  /** For people */
  message: string;
  /** `fields` of an invalid_request: each `{pointer, reason}`; `requiredScope` of a forbidden; `currentVersion` of a precondition_failed */
  details: Record<string, any> | null;
  /** Names the request in the server's logs and events */
  requestId: string;
  /** Seconds; of a rate_limit_exceeded */
  retryAfter?: number;
  type: "error";
  /** From 0, without a gap */
  sequenceNumber: number;
}

export interface MessageSources {
  sources: Source[];
  type: "message.sources";
  /** From 0, without a gap */
  sequenceNumber: number;
}

export interface Organization {
  id: string;
  name: string;
  plan: "free" | "pro" | "enterprise";
  limits: {
    perMinute: number;
    perDay: number;
  };
  /** Of the limits, this request counted */
  usage: {
    minute: number;
    today: number;
  };
  /** Grows by one with each change; the ETag */
  version: number;
  createdAt: string;
  updatedAt: string;
}

export interface OrganizationUpdate {
  name: string;
}

export interface Pagination {
  limit: number;
  /** `null` in a list by cursor */
  offset: number | null;
  total: number;
  hasMore: boolean;
  /** Opaque; bound to the list and its filters */
  nextCursor: string | null;
}

export interface Point {
  start: string;
  value: number | null;
}

/** How the answer came about */
export interface Provenance {
  /** Its exact configuration at that version */
  agent: Record<string, any> | null;
  sources: ({
    index: number;
    chunkId: string;
    text: string | null;
    before: string | null;
    after: string | null;
  })[];
  /** Of the strategy: rewritten queries, candidates, scores */
  steps: unknown;
  positions: number[];
  /** Of the messages sent, as canonical JSON (RFC 8785) */
  messagesSha256: string | null;
  /** What the model was sent; `null` where none was, and where words of it were erased */
  messages: unknown[] | null;
  costUsd: number | null;
  indexes: {
    dataSpecId: string;
    manifest: string;
    model: string;
  }[];
}

/** A replay; its `result` is there when it has ended */
export interface Replay {
  id: string;
  status: "queued" | "running" | "succeeded" | "failed";
  progress: {
    done: number;
    total: number | null;
  };
  result: ReplayReport | null;
}

/** What a replay came to */
export interface ReplayReport {
  summary: {
    questions: number;
    answered: number;
    answeredBefore: number;
    failed: number;
  };
  questions: ReplayedQuestion[];
  /** Why the replay failed */
  reason: string | null;
}

export interface ReplayRequest {
  /** Which questions, as in the list of interactions; the newest first */
  filter?: {
    agentId?: string;
    sessionId?: string;
    userId?: string;
    startDate?: Time;
    endDate?: Time;
    answered?: boolean;
    rating?: "positive" | "negative";
    reviewStatus?: "accurate" | "edited" | "inaccurate" | "no_answer";
    status?: "started" | "completed" | "failed";
    model?: string;
    documentId?: string;
    q?: string;
  };
  agentVersion?: number;
  patch?: {
    name?: string;
    description?: string | null;
    status?: "active" | "inactive" | "draft";
    systemPrompt?: string | null;
    model?: string;
    temperature?: number;
    maxTokens?: number;
    ragStrategy?: "redwood" | "cedar" | "cypress";
    topK?: number;
    minScore?: number | null;
    minGrounding?: number | null;
    fallbackMessage?: string;
    responseStyle?: "concise" | "detailed" | "technical" | null;
    tone?: string | null;
    language?: string | null;
    dataSpecs?: {
      id: string;
      enabled?: boolean;
      tier?: number;
      tags?: string[];
    }[];
    /** A shorthand for enabled `dataSpecs` */
    dataSpecIds?: string[];
  };
  corpus?: "current" | "asOf";
  limit?: number;
}

/** A past question and its new answer */
export interface ReplayedQuestion {
  interactionId: string;
  prompt: string | null;
  answer: string | null;
  answered: boolean | null;
  error: {
    code: string;
    message: string;
  } | null;
  /** As it was answered first */
  before: {
    answer: string | null;
    answered: boolean | null;
    agentVersion: number | null;
    latencyMs: number | null;
    usage: Usage | null;
    grounding: number | null;
    /** How many there were */
    sources: number;
  };
  sourcesGained?: SourceName[];
  sourcesLost?: SourceName[];
  sourcesKept?: number;
  latencyMs?: number;
  usage?: Usage;
  grounding?: number | null;
  costUsd?: number | null;
  agentVersion?: number | null;
  erased?: true;
}

export interface Run {
  id: string;
  dataSpecId: string;
  status: "queued" | "running" | "succeeded" | "failed" | "canceled";
  stage: "fetch" | "parse" | "chunk" | "embed" | "index";
  progress: {
    documentsSeen: number;
    documentsDone: number;
    documentsFailed: number;
    chunks: number;
  };
  documents: {
    added: number;
    updated: number;
    unchanged: number;
    removed: number;
  };
  errors: ({
    documentUrl: string | null;
    stage: string;
    message: string;
  })[];
  /** Why it failed */
  reason: string | null;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  heartbeatAt: string | null;
}

export interface RunStarted {
  id: string;
  dataSpecId: string;
  status: "queued" | "running" | "succeeded" | "failed" | "canceled";
}

export interface SearchRequest {
  query: string;
  agentId?: string;
  dataSpecIds?: string[];
  topK?: number;
  minScore?: number;
  mode?: "hybrid" | "vector" | "keyword";
  filters?: {
    tags?: string[];
  };
}

export interface SearchResult {
  index: number;
  chunkId: string;
  documentId: string;
  documentTitle: string;
  documentUrl: string | null;
  dataSpecId: string;
  snippet: string;
  score: number;
  location: Location;
  /** The whole passage */
  content: string;
  scores: {
    vector: number | null;
    keyword: number | null;
  };
}

export interface SearchResults {
  results: SearchResult[];
  latencyMs: number;
}

export interface SecretRotation {
  overlapSeconds?: number;
}

export interface Session {
  id: string;
  /** Oldest first */
  turns: Interaction[];
}

export interface Source {
  index: number;
  chunkId: string;
  documentId: string;
  documentTitle: string;
  documentUrl: string | null;
  dataSpecId: string;
  snippet: string;
  score: number;
  location: Location;
}

export interface SourceName {
  chunkId: string;
  documentId: string;
  documentTitle: string;
  documentUrl: string | null;
  dataSpecId: string;
}

export interface StreamEvent {
  /** `<interactionId>:<sequenceNumber>` */
  id: string;
  event: "message.created" | "message.sources" | "message.delta" | "message.completed" | "error";
  data: string;
}

export interface UnansweredQuestion {
  question: string | null;
  count: number;
  lastSeen: string;
  interactionIds: string[];
}

export interface Usage {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
}

export interface Webhook {
  id: string;
  url: string;
  /** Types, groups such as `interaction.*`, or `*` */
  events: string[];
  description: string | null;
  filter: {
    agentIds?: string[];
    dataSpecIds?: string[];
  };
  /** Secret values are answered as `***` */
  headers: Record<string, string>;
  status: "active" | "paused" | "disabled";
  disabledReason: string | null;
  /** Grows by one with each change; the ETag */
  version: number;
  createdAt: string;
  updatedAt: string;
}

export interface WebhookCreate {
  url: string;
  events: ("*" | "agent.*" | "datasource.*" | "interaction.*" | "webhook.*" | "interaction.created" | "interaction.completed" | "interaction.failed" | "interaction.feedback" | "agent.created" | "agent.updated" | "agent.deleted" | "datasource.created" | "datasource.updated" | "datasource.deleted" | "datasource.processed" | "datasource.failed" | "webhook.test" | "webhook.disabled")[];
  description?: string | null;
  filter?: {
    agentIds?: string[];
    dataSpecIds?: string[];
  } | null;
  headers?: Record<string, string> | null;
  status?: "active" | "paused";
}

/** What an endpoint gets, signed by Standard Webhooks 1.0 */
export interface WebhookMessage {
  id: string;
  type: "interaction.created" | "interaction.completed" | "interaction.failed" | "interaction.feedback" | "agent.created" | "agent.updated" | "agent.deleted" | "datasource.created" | "datasource.updated" | "datasource.deleted" | "datasource.processed" | "datasource.failed" | "webhook.test" | "webhook.disabled";
  timestamp: string;
  organizationId: string;
  sequence: number;
  /** The thing as it was at that event */
  data: Record<string, any>;
}

export interface WebhookReplay {
  webhookId: string;
  status: "queued";
  untilPosition: number | null;
}

export interface WebhookReplayRequest {
  since?: Time;
  fromPosition?: number;
  types?: ("*" | "agent.*" | "datasource.*" | "interaction.*" | "webhook.*" | "interaction.created" | "interaction.completed" | "interaction.failed" | "interaction.feedback" | "agent.created" | "agent.updated" | "agent.deleted" | "datasource.created" | "datasource.updated" | "datasource.deleted" | "datasource.processed" | "datasource.failed" | "webhook.test" | "webhook.disabled")[];
}

export interface WebhookRetries {
  webhookId: string;
  retried: number;
}

export interface WebhookRetryFailed {
  since?: Time;
  until?: Time;
}

export interface WebhookUpdate {
  url?: string;
  events?: ("*" | "agent.*" | "datasource.*" | "interaction.*" | "webhook.*" | "interaction.created" | "interaction.completed" | "interaction.failed" | "interaction.feedback" | "agent.created" | "agent.updated" | "agent.deleted" | "datasource.created" | "datasource.updated" | "datasource.deleted" | "datasource.processed" | "datasource.failed" | "webhook.test" | "webhook.disabled")[];
  description?: string | null;
  filter?: {
    agentIds?: string[];
    dataSpecIds?: string[];
  } | null;
  headers?: Record<string, string> | null;
  status?: "active" | "paused";
}

export interface WebhookWithSecret {
  id: string;
  url: string;
  /** Types, groups such as `interaction.*`, or `*` */
  events: string[];
  description: string | null;
  filter: {
    agentIds?: string[];
    dataSpecIds?: string[];
  };
  /** Secret values are answered as `***` */
  headers: Record<string, string>;
  status: "active" | "paused" | "disabled";
  disabledReason: string | null;
  /** Grows by one with each change; the ETag */
  version: number;
  createdAt: string;
  updatedAt: string;
  /** The signing secret, in this answer only */
  secret: string;
}

/** GET /api/agents */
export interface GetAgentsQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
  /** An RFC 3339 time or a position: the state at that moment */
  asOf?: number | Time;
}

/** GET /api/agents/{id} */
export interface GetAgentsIdQuery {
  /** An RFC 3339 time or a position: the state at that moment */
  asOf?: number | Time;
}

/** GET /api/agents/{id}/versions */
export interface GetAgentsIdVersionsQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
}

/** GET /api/data-specs */
export interface GetDataSpecsQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
  /** An RFC 3339 time or a position: the state at that moment */
  asOf?: number | Time;
}

/** GET /api/data-specs/{id} */
export interface GetDataSpecsIdQuery {
  /** An RFC 3339 time or a position: the state at that moment */
  asOf?: number | Time;
}

/** GET /api/data-specs/{id}/runs */
export interface GetDataSpecsIdRunsQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
}

/** GET /api/data-specs/{id}/documents */
export interface GetDataSpecsIdDocumentsQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
}

/** GET /api/interactions */
export interface GetInteractionsQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
  agentId?: string;
  sessionId?: string;
  userId?: string;
  startDate?: Time;
  endDate?: Time;
  answered?: boolean;
  rating?: "positive" | "negative";
  reviewStatus?: "accurate" | "edited" | "inaccurate" | "no_answer";
  status?: "started" | "completed" | "failed";
  model?: string;
  documentId?: string;
  q?: string;
}

/** GET /api/interactions/{id} */
export interface GetInteractionsIdQuery {
  /** `provenance`, `history` or both, by comma */
  include?: string;
  /** An RFC 3339 time or a position: the state at that moment */
  asOf?: number | Time;
}

/** GET /api/analytics/charts/dashboard */
export interface GetAnalyticsChartsDashboardQuery {
  startDate?: Time;
  endDate?: Time;
  agentId?: string;
  granularity?: "hour" | "day" | "week" | "month";
  timezone?: string;
}

/** GET /api/audit/events */
export interface GetAuditEventsQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
  actor?: string;
  target?: string;
  type?: string;
  action?: string;
  q?: string;
  from?: Time;
  to?: Time;
}

/** GET /api/audit/consistency */
export interface GetAuditConsistencyQuery {
  /** A number of events, as a checkpoint names it */
  from?: number;
  /** A number of events, as a checkpoint names it */
  to?: number;
}

/** GET /api/api-keys */
export interface GetApiKeysQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
}

/** GET /api/webhooks */
export interface GetWebhooksQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
}

/** GET /api/webhooks/{id}/deliveries */
export interface GetWebhooksIdDeliveriesQuery {
  limit?: number;
  offset?: number;
  /** `nextCursor` of the page before, instead of `offset` */
  cursor?: string;
  status?: "pending" | "succeeded" | "failed";
  type?: "interaction.created" | "interaction.completed" | "interaction.failed" | "interaction.feedback" | "agent.created" | "agent.updated" | "agent.deleted" | "datasource.created" | "datasource.updated" | "datasource.deleted" | "datasource.processed" | "datasource.failed" | "webhook.test" | "webhook.disabled";
}
