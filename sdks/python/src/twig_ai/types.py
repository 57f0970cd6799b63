"""The API's objects as they come: dictionaries with the API's own JSON names, made of its OpenAPI document, and what this client adds to them.

`…Fields` and `…Update` are keyword arguments of the client's methods, in snake_case. Invariant: nothing here exists at run time but plain dictionaries.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Callable, Dict, Generic, List, Literal, Mapping, Optional, TypeVar, Union

from typing_extensions import NotRequired, Required, TypedDict

from ._schema import *  # noqa: F403
from ._schema import Erasure, MessageCompleted, MessageCreated, MessageDelta, MessageSources, Pagination, Replay, Run, WebhookMessage

T = TypeVar("T")
Time = Union[str, date]
Rating = Literal["positive", "negative"]
ReviewStatus = Literal["accurate", "edited", "inaccurate", "no_answer"]
StreamEvent = Union[MessageCreated, MessageSources, MessageDelta, MessageCompleted]
WebhookEvent = WebhookMessage
Job = Union[Replay, Erasure]
#: Is given the run whenever it has moved on.
OnProgress = Callable[[Run], None]


class Page(TypedDict, Generic[T]):
    data: List[T]
    pagination: Pagination


class ChatFields(TypedDict, total=False):
    prompt: Required[str]
    agent_id: Required[str]
    session_id: Optional[str]
    temperature: Optional[float]
    max_tokens: Optional[int]
    top_k: Optional[int]
    user_id: Optional[str]
    metadata: Optional[Mapping[str, str]]


class DataSpecLinkFields(TypedDict):
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
    data_specs: List[DataSpecLinkFields]
    data_spec_ids: List[str]


class AgentFields(AgentUpdate, total=False):
    name: Required[str]  # type: ignore[misc]


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


class InteractionFilters(TypedDict, total=False):
    agent_id: Optional[str]
    session_id: Optional[str]
    user_id: Optional[str]
    start_date: Optional[Time]
    end_date: Optional[Time]
    answered: Optional[bool]
    rating: Optional[Rating]
    review_status: Optional[ReviewStatus]
    status: Optional[Literal["started", "completed", "failed"]]
    model: Optional[str]
    #: A document that is among the sources.
    document_id: Optional[str]
    q: Optional[str]


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


class AuditFilters(TypedDict, total=False):
    actor: Optional[str]
    target: Optional[str]
    type: Optional[str]
    action: Optional[str]
    from_: Optional[Time]
    to: Optional[Time]
    q: Optional[str]
