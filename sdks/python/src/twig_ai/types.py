"""The API's objects as they come: dictionaries with the API's own JSON names. What is absent at times is `NotRequired`.

`…Fields` are keyword arguments of the client's methods, in snake_case. Invariant: nothing here exists at run time but plain dictionaries.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Callable, Dict, Generic, List, Literal, Mapping, Optional, TypeVar, Union

from typing_extensions import NotRequired, Required, TypedDict

T = TypeVar("T")
Time = Union[str, date]
Rating = Literal["positive", "negative"]
ReviewStatus = Literal["accurate", "edited", "inaccurate", "no_answer"]


class Pagination(TypedDict):
    limit: int
    offset: Optional[int]
    total: int
    hasMore: bool
    nextCursor: Optional[str]


class Page(TypedDict, Generic[T]):
    data: List[T]
    pagination: Pagination


class Deleted(TypedDict):
    id: str
    deleted: bool


class Actor(TypedDict):
    type: Literal["api_key", "system", "user"]
    id: str
    name: NotRequired[Optional[str]]


Change = TypedDict("Change", {"path": str, "from": Any, "to": Any})


class Location(TypedDict):
    page: NotRequired[int]
    headingPath: List[str]
    start: int
    end: int


class Source(TypedDict):
    index: int
    chunkId: str
    documentId: str
    documentTitle: str
    documentUrl: str
    dataSpecId: str
    snippet: str
    score: float
    location: Location


class Scores(TypedDict):
    vector: Optional[float]
    keyword: Optional[float]


class SearchResult(Source):
    content: str
    scores: Scores


class SearchResults(TypedDict):
    results: List[SearchResult]
    latencyMs: int


class Usage(TypedDict):
    promptTokens: int
    completionTokens: int
    totalTokens: int


class ChatResponse(TypedDict):
    id: str
    sessionId: str
    agentId: str
    agentVersion: int
    response: str
    sources: List[Source]
    answered: bool
    finishReason: str
    model: str
    ragStrategy: str
    usage: Usage
    latencyMs: int
    createdAt: str
    grounding: NotRequired[Optional[float]]


class MessageCreated(TypedDict):
    type: Literal["message.created"]
    sequenceNumber: int
    id: str
    sessionId: str


class MessageSources(TypedDict):
    type: Literal["message.sources"]
    sequenceNumber: int
    sources: List[Source]


class MessageDelta(TypedDict):
    type: Literal["message.delta"]
    sequenceNumber: int
    text: str


class MessageCompleted(ChatResponse):
    type: Literal["message.completed"]
    sequenceNumber: int


StreamEvent = Union[MessageCreated, MessageSources, MessageDelta, MessageCompleted]


class ChatFields(TypedDict, total=False):
    prompt: Required[str]
    agent_id: Required[str]
    session_id: Optional[str]
    temperature: Optional[float]
    max_tokens: Optional[int]
    top_k: Optional[int]
    user_id: Optional[str]
    metadata: Optional[Mapping[str, str]]


class DataSpecLink(TypedDict):
    id: str
    enabled: NotRequired[bool]
    tier: NotRequired[int]
    tags: NotRequired[List[str]]


class AgentUpdate(TypedDict, total=False):
    name: str
    description: Optional[str]
    status: Literal["active", "inactive", "draft"]
    system_prompt: Optional[str]
    model: str
    temperature: float
    max_tokens: int
    rag_strategy: Literal["redwood", "cedar", "cypress"]
    top_k: int
    min_score: Optional[float]
    min_grounding: Optional[float]
    fallback_message: str
    response_style: Optional[Literal["concise", "detailed", "technical"]]
    tone: Optional[str]
    language: Optional[str]
    data_specs: List[DataSpecLink]
    data_spec_ids: List[str]


class AgentFields(AgentUpdate, total=False):
    name: Required[str]  # type: ignore[misc]


class Agent(TypedDict):
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
    fallbackMessage: str
    responseStyle: Optional[str]
    tone: Optional[str]
    language: Optional[str]
    dataSpecs: List[DataSpecLink]
    version: int
    createdAt: str
    updatedAt: str
    createdBy: Actor


class AgentVersion(TypedDict):
    version: int
    changes: List[Change]
    actor: Actor
    createdAt: str


class DataSpecUpdate(TypedDict, total=False):
    name: str
    description: Optional[str]
    config: Mapping[str, Any]
    sync_schedule: Literal["manual", "hourly", "daily", "weekly"]
    tags: List[str]
    filters: Mapping[str, List[str]]


class DataSpecFields(DataSpecUpdate, total=False):
    name: Required[str]  # type: ignore[misc]
    type: Required[Literal["text", "file", "website", "sitemap", "qna_csv", "csv", "bucket"]]


class DataSpecStats(TypedDict):
    documents: int
    chunks: int
    bytes: int


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


class RunError(TypedDict):
    documentUrl: str
    stage: str
    message: str


class RunStarted(TypedDict):
    id: str
    dataSpecId: str
    status: str


class Run(TypedDict):
    id: str
    dataSpecId: str
    status: Literal["queued", "running", "succeeded", "failed", "canceled"]
    stage: Optional[str]
    progress: RunProgress
    documents: RunDocuments
    errors: List[RunError]
    startedAt: Optional[str]
    finishedAt: Optional[str]
    heartbeatAt: Optional[str]


#: Is given the run whenever it has moved on.
OnProgress = Callable[[Run], None]


class DataSpec(TypedDict):
    id: str
    name: str
    description: Optional[str]
    type: str
    config: Dict[str, Any]
    syncSchedule: str
    tags: List[str]
    filters: Dict[str, List[str]]
    status: Literal["pending", "processing", "active", "failed"]
    stats: DataSpecStats
    embedding: Dict[str, Any]
    lastRun: Optional[Run]
    version: int
    createdAt: str
    updatedAt: str


class Document(TypedDict):
    id: str
    name: str
    title: str
    url: str
    bytes: int
    chunks: int
    status: str


class InteractionFilters(TypedDict, total=False):
    agent_id: Optional[str]
    session_id: Optional[str]
    user_id: Optional[str]
    start_date: Optional[Time]
    end_date: Optional[Time]
    answered: Optional[bool]
    rating: Optional[Rating]
    review_status: Optional[ReviewStatus]
    q: Optional[str]


class Feedback(TypedDict):
    rating: Rating
    comment: NotRequired[Optional[str]]
    reviewStatus: NotRequired[Optional[ReviewStatus]]
    correctedResponse: NotRequired[Optional[str]]
    createdAt: NotRequired[str]


class Interaction(TypedDict):
    id: str
    sessionId: str
    agentId: str
    agentVersion: int
    prompt: Optional[str]
    response: Optional[str]
    sources: List[Source]
    status: Literal["started", "completed", "failed"]
    error: Optional[Dict[str, Any]]
    answered: Optional[bool]
    finishReason: Optional[str]
    model: str
    ragStrategy: str
    usage: Optional[Usage]
    latencyMs: Optional[int]
    feedback: Optional[Feedback]
    reviewStatus: Optional[ReviewStatus]
    userId: Optional[str]
    metadata: Dict[str, str]
    origin: str
    createdAt: str
    erased: NotRequired[bool]
    provenance: NotRequired[Dict[str, Any]]
    feedbackHistory: NotRequired[List[Dict[str, Any]]]


class Session(TypedDict):
    id: str
    turns: List[Interaction]


class Job(TypedDict):
    """A replay or an erasure."""

    id: str
    status: Literal["queued", "running", "succeeded", "failed"]
    progress: Any
    result: Any


class Dashboard(TypedDict):
    range: Dict[str, Any]
    freshness: Dict[str, Any]
    summary: Dict[str, Any]
    charts: Dict[str, Any]


class WebhookUpdate(TypedDict, total=False):
    url: str
    events: List[str]
    description: Optional[str]
    filter: Optional[Mapping[str, List[str]]]
    headers: Optional[Mapping[str, str]]
    status: Literal["active", "paused"]


class WebhookFields(WebhookUpdate, total=False):
    url: Required[str]  # type: ignore[misc]
    events: Required[List[str]]  # type: ignore[misc]


class Webhook(TypedDict):
    id: str
    url: str
    events: List[str]
    description: Optional[str]
    filter: Optional[Dict[str, List[str]]]
    headers: Optional[Dict[str, str]]
    status: Literal["active", "paused", "disabled"]
    disabledReason: Optional[str]
    version: int
    secret: NotRequired[str]


class Delivery(TypedDict, total=False):
    id: Required[str]
    status: Required[str]
    attempts: Any


class WebhookEvent(TypedDict):
    id: str
    type: str
    timestamp: str
    organizationId: str
    sequence: int
    data: Dict[str, Any]


class ApiKey(TypedDict):
    id: str
    name: str
    scopes: List[str]
    expiresAt: Optional[str]
    test: NotRequired[bool]
    lastFour: NotRequired[str]
    #: There at creation and rotation only.
    key: NotRequired[str]


class Limits(TypedDict):
    perMinute: int
    perDay: int


class OrganizationUsage(TypedDict):
    minute: int
    today: int


class Organization(TypedDict):
    id: str
    name: str
    plan: str
    limits: Limits
    usage: OrganizationUsage


class AuditFilters(TypedDict, total=False):
    actor: Optional[str]
    target: Optional[str]
    type: Optional[str]
    action: Optional[str]
    from_: Optional[Time]
    to: Optional[Time]
    q: Optional[str]


class AuditEvent(TypedDict):
    id: str
    position: int
    occurredAt: str
    type: str
    actor: Actor
    target: Dict[str, Any]
    action: str
    changes: List[Change]
    context: Dict[str, Any]
    hash: str


class AuditProof(TypedDict):
    leafIndex: int
    treeSize: int
    leafHash: str
    hashes: List[str]
    checkpoint: str


class AuditCheckpoint(TypedDict):
    checkpoint: str
    verifierKey: str


AuditConsistency = TypedDict("AuditConsistency", {"from": int, "to": int, "hashes": List[str]})
