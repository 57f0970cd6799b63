"""Made by make_types.py of the OpenAPI document: change it there."""

# No `from __future__ import annotations` here: TypedDict would not see what is NotRequired.

from typing import Any, Dict, List, Literal, Optional, Union

from typing_extensions import NotRequired, TypedDict


class Actor(TypedDict):
    type: Literal["api_key", "system", "user"]
    id: str
    name: str


class Agent(TypedDict):
    """How questions are answered, over which data specs, by which model."""

    id: str
    name: str
    description: Optional[str]
    status: Literal["active", "inactive", "draft"]
    systemPrompt: Optional[str]
    model: str
    temperature: float
    maxTokens: int
    ragStrategy: Literal["redwood", "cedar", "cypress"]
    topK: int
    minScore: Optional[float]
    minGrounding: NotRequired[Optional[float]]
    fallbackMessage: str
    responseStyle: Optional[Literal["concise", "detailed", "technical"]]
    tone: Optional[str]
    language: Optional[str]
    dataSpecs: List["DataSpecLink"]
    version: int
    createdAt: str
    updatedAt: str
    createdBy: "Actor"


class AgentVersion(TypedDict):
    version: int
    changes: List["Change"]
    actor: "Actor"
    createdAt: str
    restoredFrom: NotRequired[int]


class ApiKey(TypedDict):
    id: str
    name: str
    scopes: List[Literal["chat", "agents:read", "agents:write", "agents:delete", "data:read", "data:write", "analytics:read", "webhooks:write", "audit:read", "admin"]]
    expiresAt: Optional[str]
    test: bool
    lastFour: str
    version: int
    createdAt: str
    updatedAt: str


class ApiKeyWithSecret(TypedDict):
    id: str
    name: str
    scopes: List[Literal["chat", "agents:read", "agents:write", "agents:delete", "data:read", "data:write", "analytics:read", "webhooks:write", "audit:read", "admin"]]
    expiresAt: Optional[str]
    test: bool
    lastFour: str
    version: int
    createdAt: str
    updatedAt: str
    key: str


class AuditCheckpoint(TypedDict):
    """A signed note (C2SP tlog-checkpoint) and the key that checks it."""

    checkpoint: str
    verifierKey: str
    handOvers: List[str]

AuditConsistency = TypedDict("AuditConsistency", {"from": int, "to": int, "hashes": List[str]})


class AuditEventTarget(TypedDict):
    type: str
    id: str


class AuditEventContext(TypedDict):
    requestId: Optional[str]
    ip: Optional[str]
    userAgent: Optional[str]
    eventSha256: str


class AuditEvent(TypedDict):
    """Who did what to which thing, from where; without personal text and secrets."""

    id: str
    position: int
    occurredAt: str
    type: str
    actor: "Actor"
    target: "AuditEventTarget"
    action: str
    changes: List["Change"]
    context: "AuditEventContext"
    hash: str


class AuditProof(TypedDict):
    """That an event is a leaf of the tree whose root is signed (RFC 6962)."""

    leafIndex: int
    treeSize: int
    leafHash: str
    hashes: List[str]
    checkpoint: str

Change = TypedDict("Change", {"path": str, "from": Any, "to": Any})


class ChatResponse(TypedDict):
    id: str
    sessionId: str
    agentId: str
    agentVersion: int
    response: str
    sources: List["Source"]
    answered: bool
    finishReason: str
    model: str
    ragStrategy: Literal["redwood", "cedar", "cypress"]
    usage: "Usage"
    latencyMs: int
    createdAt: str
    grounding: Optional[float]


class CitedSource(TypedDict):
    documentId: str
    title: Optional[str]
    url: Optional[str]
    citations: int


class DashboardRangePrevious(TypedDict):
    start: str
    end: str


class DashboardRange(TypedDict):
    start: str
    end: str
    granularity: Literal["hour", "day", "week", "month"]
    timezone: str
    previous: "DashboardRangePrevious"


class DashboardFreshness(TypedDict):
    position: int
    recordedAt: Optional[str]
    lagMs: int


class DashboardSummaryLatencyMs(TypedDict):
    p50: "Figure"
    p95: "Figure"
    p99: "Figure"


class DashboardSummary(TypedDict):
    users: "Figure"
    failures: "Figure"
    answerRate: "Figure"
    satisfaction: "Figure"
    interactions: "Figure"
    sessions: "Figure"
    tokens: "Figure"
    latencyMs: "DashboardSummaryLatencyMs"


class DashboardChartsFeedbackByReviewStatus(TypedDict):
    accurate: int
    edited: int
    inaccurate: int
    no_answer: int


class DashboardChartsFeedback(TypedDict):
    positive: int
    negative: int
    byReviewStatus: "DashboardChartsFeedbackByReviewStatus"


class DashboardCharts(TypedDict):
    answerRate: List["Point"]
    satisfaction: List["Point"]
    interactions: List["Point"]
    sessions: List["Point"]
    tokens: List["Point"]
    latency: List["LatencyPoint"]
    byAgent: List["GroupFigures"]
    byModel: List["GroupFigures"]
    topSources: List["CitedSource"]
    unansweredQuestions: List["UnansweredQuestion"]
    feedback: "DashboardChartsFeedback"


class Dashboard(TypedDict):
    range: "DashboardRange"
    freshness: "DashboardFreshness"
    summary: "DashboardSummary"
    charts: "DashboardCharts"


class DataSpecFilters(TypedDict):
    include: List[str]
    exclude: List[str]


class DataSpecStats(TypedDict):
    documents: int
    chunks: int
    bytes: int


class DataSpecEmbeddingNext(TypedDict):
    model: str
    done: int
    total: int


class DataSpecEmbedding(TypedDict):
    model: Optional[str]
    next: Optional["DataSpecEmbeddingNext"]


class DataSpec(TypedDict):
    id: str
    name: str
    description: Optional[str]
    type: Literal["text", "file", "website", "sitemap", "qna_csv", "csv", "bucket"]
    config: Dict[str, Any]
    syncSchedule: Literal["manual", "hourly", "daily", "weekly"]
    tags: List[str]
    filters: "DataSpecFilters"
    status: Literal["pending", "processing", "active", "failed"]
    stats: "DataSpecStats"
    embedding: "DataSpecEmbedding"
    lastRun: Optional["Run"]
    version: int
    createdAt: str
    updatedAt: str


class DataSpecLink(TypedDict):
    id: str
    enabled: bool
    tier: int
    tags: List[str]


class Deleted(TypedDict):
    id: str
    deleted: Literal[True]


class Delivery(TypedDict):
    id: str
    webhookId: str
    eventId: str
    type: Literal["interaction.created", "interaction.completed", "interaction.failed", "interaction.feedback", "agent.created", "agent.updated", "agent.deleted", "datasource.created", "datasource.updated", "datasource.deleted", "datasource.processed", "datasource.failed", "webhook.test", "webhook.disabled"]
    sequence: int
    position: Optional[int]
    status: Literal["pending", "succeeded", "failed"]
    replayed: bool
    nextAttemptAt: Optional[str]
    createdAt: str
    attempts: List["DeliveryAttempt"]
    payload: NotRequired[Any]


class DeliveryAttempt(TypedDict):
    number: int
    at: str
    status: Optional[int]
    latencyMs: int
    response: Optional[str]
    error: Optional[str]


class Document(TypedDict):
    id: str
    name: str
    title: str
    url: Optional[str]
    bytes: int
    chunks: int
    status: str


class ErasureProgress(TypedDict):
    done: int
    total: Optional[int]


class Erasure(TypedDict):
    """An erasure; its `result` is there when it has ended."""

    id: str
    status: Literal["queued", "running", "succeeded", "failed"]
    progress: "ErasureProgress"
    result: Optional[Union["ErasureReceipt", "JobFailure"]]


class ErasureReceiptStores(TypedDict):
    store: str
    cleared: int
    note: str


class ErasureReceiptReceivers(TypedDict):
    webhookId: str
    deliveries: int


class ErasureReceipt(TypedDict):
    """What an erasure came to."""

    erasedAt: str
    interactions: int
    keys: int
    stores: List["ErasureReceiptStores"]
    receivers: List["ErasureReceiptReceivers"]
    beyond: List[str]


class Feedback(TypedDict):
    rating: Literal["positive", "negative"]
    comment: Optional[str]
    reviewStatus: Optional[Literal["accurate", "edited", "inaccurate", "no_answer"]]
    correctedResponse: Optional[str]
    createdAt: str


class FeedbackHistory(TypedDict):
    rating: Literal["positive", "negative"]
    comment: Optional[str]
    reviewStatus: Optional[Literal["accurate", "edited", "inaccurate", "no_answer"]]
    correctedResponse: Optional[str]
    createdAt: str
    actor: "Actor"


class Figure(TypedDict):
    value: Optional[float]
    previous: Optional[float]


class GroupFigures(TypedDict):
    id: str
    name: Optional[str]
    interactions: int
    answerRate: Optional[float]
    satisfaction: Optional[float]
    p95: Optional[float]


class InteractionError(TypedDict):
    code: str
    message: str


class Interaction(TypedDict):
    id: str
    sessionId: str
    agentId: str
    agentVersion: int
    response: Optional[str]
    sources: List["Source"]
    answered: Optional[bool]
    finishReason: Optional[str]
    model: str
    ragStrategy: Literal["redwood", "cedar", "cypress"]
    usage: Optional["Usage"]
    latencyMs: Optional[int]
    createdAt: str
    grounding: Optional[float]
    prompt: Optional[str]
    status: Literal["started", "completed", "failed"]
    error: Optional["InteractionError"]
    feedback: Optional["Feedback"]
    reviewStatus: Optional[Literal["accurate", "edited", "inaccurate", "no_answer"]]
    userId: Optional[str]
    metadata: Dict[str, str]
    origin: Literal["api", "openai", "mcp", "console", "import"]
    version: int
    erased: NotRequired[Literal[True]]
    provenance: NotRequired[Optional["Provenance"]]
    feedbackHistory: NotRequired[List["FeedbackHistory"]]


class JobFailure(TypedDict):
    """Why a job failed."""

    reason: str


class LatencyPoint(TypedDict):
    start: str
    p50: Optional[float]
    p95: Optional[float]
    p99: Optional[float]


class Location(TypedDict):
    page: NotRequired[int]
    headingPath: List[str]
    start: int
    end: int


class MessageCompleted(TypedDict):
    id: str
    sessionId: str
    agentId: str
    agentVersion: int
    response: str
    sources: List["Source"]
    answered: bool
    finishReason: str
    model: str
    ragStrategy: Literal["redwood", "cedar", "cypress"]
    usage: "Usage"
    latencyMs: int
    createdAt: str
    grounding: Optional[float]
    type: Literal['message.completed']
    sequenceNumber: int


class MessageCreated(TypedDict):
    id: str
    sessionId: str
    type: Literal['message.created']
    sequenceNumber: int


class MessageDelta(TypedDict):
    text: str
    type: Literal['message.delta']
    sequenceNumber: int


class MessageSources(TypedDict):
    sources: List["Source"]
    type: Literal['message.sources']
    sequenceNumber: int


class OrganizationLimits(TypedDict):
    perMinute: int
    perDay: int


class OrganizationUsage(TypedDict):
    """Of the limits, this request counted."""

    minute: int
    today: int


class Organization(TypedDict):
    id: str
    name: str
    plan: Literal["free", "pro", "enterprise"]
    limits: "OrganizationLimits"
    usage: "OrganizationUsage"
    version: int
    createdAt: str
    updatedAt: str


class Pagination(TypedDict):
    limit: int
    offset: Optional[int]
    total: int
    hasMore: bool
    nextCursor: Optional[str]


class Point(TypedDict):
    start: str
    value: Optional[float]


class ProvenanceSources(TypedDict):
    index: int
    chunkId: str
    text: Optional[str]
    before: Optional[str]
    after: Optional[str]


class ProvenanceIndexes(TypedDict):
    dataSpecId: str
    manifest: str
    model: str


class Provenance(TypedDict):
    """How the answer came about."""

    agent: Optional[Dict[str, Any]]
    sources: List["ProvenanceSources"]
    steps: Any
    positions: List[int]
    messagesSha256: Optional[str]
    messages: Optional[List[Any]]
    costUsd: Optional[float]
    indexes: List["ProvenanceIndexes"]


class ReplayProgress(TypedDict):
    done: int
    total: Optional[int]


class Replay(TypedDict):
    """A replay; its `result` is there when it has ended."""

    id: str
    status: Literal["queued", "running", "succeeded", "failed"]
    progress: "ReplayProgress"
    result: Optional["ReplayReport"]


class ReplayReportSummary(TypedDict):
    questions: int
    answered: int
    answeredBefore: int
    failed: int


class ReplayReport(TypedDict):
    """What a replay came to."""

    summary: "ReplayReportSummary"
    questions: List["ReplayedQuestion"]
    reason: Optional[str]


class ReplayedQuestionError(TypedDict):
    code: str
    message: str


class ReplayedQuestionBefore(TypedDict):
    """As it was answered first."""

    answer: Optional[str]
    answered: Optional[bool]
    agentVersion: Optional[int]
    latencyMs: Optional[int]
    usage: Optional["Usage"]
    grounding: Optional[float]
    sources: int


class ReplayedQuestion(TypedDict):
    """A past question and its new answer."""

    interactionId: str
    prompt: Optional[str]
    answer: Optional[str]
    answered: Optional[bool]
    error: Optional["ReplayedQuestionError"]
    before: "ReplayedQuestionBefore"
    sourcesGained: NotRequired[List["SourceName"]]
    sourcesLost: NotRequired[List["SourceName"]]
    sourcesKept: NotRequired[int]
    latencyMs: NotRequired[int]
    usage: NotRequired["Usage"]
    grounding: NotRequired[Optional[float]]
    costUsd: NotRequired[Optional[float]]
    agentVersion: NotRequired[Optional[int]]
    erased: NotRequired[Literal[True]]


class RunProgress(TypedDict):
    documentsSeen: int
    documentsDone: int
    documentsFailed: int
    chunks: int


class RunDocuments(TypedDict):
    added: int
    updated: int
    unchanged: int
    removed: int


class RunErrors(TypedDict):
    documentUrl: Optional[str]
    stage: str
    message: str


class Run(TypedDict):
    id: str
    dataSpecId: str
    status: Literal["queued", "running", "succeeded", "failed", "canceled"]
    stage: Literal["fetch", "parse", "chunk", "embed", "index"]
    progress: "RunProgress"
    documents: "RunDocuments"
    errors: List["RunErrors"]
    reason: Optional[str]
    createdAt: str
    startedAt: Optional[str]
    finishedAt: Optional[str]
    heartbeatAt: Optional[str]


class RunStarted(TypedDict):
    id: str
    dataSpecId: str
    status: Literal["queued", "running", "succeeded", "failed", "canceled"]


class SearchResultScores(TypedDict):
    vector: Optional[float]
    keyword: Optional[float]


class SearchResult(TypedDict):
    index: int
    chunkId: str
    documentId: str
    documentTitle: str
    documentUrl: Optional[str]
    dataSpecId: str
    snippet: str
    score: float
    location: "Location"
    content: str
    scores: "SearchResultScores"


class SearchResults(TypedDict):
    results: List["SearchResult"]
    latencyMs: int


class Session(TypedDict):
    id: str
    turns: List["Interaction"]


class Source(TypedDict):
    index: int
    chunkId: str
    documentId: str
    documentTitle: str
    documentUrl: Optional[str]
    dataSpecId: str
    snippet: str
    score: float
    location: "Location"


class SourceName(TypedDict):
    chunkId: str
    documentId: str
    documentTitle: str
    documentUrl: Optional[str]
    dataSpecId: str


class UnansweredQuestion(TypedDict):
    question: Optional[str]
    count: int
    lastSeen: str
    interactionIds: List[str]


class Usage(TypedDict):
    promptTokens: int
    completionTokens: int
    totalTokens: int


class WebhookFilter(TypedDict):
    agentIds: NotRequired[List[str]]
    dataSpecIds: NotRequired[List[str]]


class Webhook(TypedDict):
    id: str
    url: str
    events: List[str]
    description: Optional[str]
    filter: "WebhookFilter"
    headers: Dict[str, str]
    status: Literal["active", "paused", "disabled"]
    disabledReason: Optional[str]
    version: int
    createdAt: str
    updatedAt: str


class WebhookMessage(TypedDict):
    """What an endpoint gets, signed by Standard Webhooks 1.0."""

    id: str
    type: Literal["interaction.created", "interaction.completed", "interaction.failed", "interaction.feedback", "agent.created", "agent.updated", "agent.deleted", "datasource.created", "datasource.updated", "datasource.deleted", "datasource.processed", "datasource.failed", "webhook.test", "webhook.disabled"]
    timestamp: str
    organizationId: str
    sequence: int
    data: Dict[str, Any]


class WebhookReplay(TypedDict):
    webhookId: str
    status: Literal['queued']
    untilPosition: Optional[int]


class WebhookRetries(TypedDict):
    webhookId: str
    retried: int


class WebhookWithSecretFilter(TypedDict):
    agentIds: NotRequired[List[str]]
    dataSpecIds: NotRequired[List[str]]


class WebhookWithSecret(TypedDict):
    id: str
    url: str
    events: List[str]
    description: Optional[str]
    filter: "WebhookWithSecretFilter"
    headers: Dict[str, str]
    status: Literal["active", "paused", "disabled"]
    disabledReason: Optional[str]
    version: int
    createdAt: str
    updatedAt: str
    secret: str
