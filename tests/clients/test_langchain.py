"""LangChain's `ChatOpenAI`, unmodified: invoked, streamed, and as part of a chain with a history."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from server import Server


@pytest.fixture
def chat(server: Server, agent_id: str) -> ChatOpenAI:
    return ChatOpenAI(model=agent_id, base_url=f"{server.url}/v1", api_key=server.key, max_retries=0)


def test_a_conversation_is_streamed_over_several_turns(chat: ChatOpenAI) -> None:
    history: "list[BaseMessage]" = [SystemMessage("Answer briefly."), HumanMessage("When are refunds paid?")]
    texts = []
    for following in ("And what of gifts?", ""):
        texts.append("".join(chunk.text for chunk in chat.stream(history)))
        history += [AIMessage(texts[-1]), HumanMessage(following)]
    assert "30 days" in texts[0] and "60 days" in texts[1]


def test_a_chain_answers_with_its_usage(chat: ChatOpenAI) -> None:
    chain = ChatPromptTemplate.from_messages([("system", "You help with {topic}."), ("human", "{question}")]) | chat
    answer = chain.invoke({"topic": "orders", "question": "When are refunds paid?"})
    assert "30 days" in answer.text and answer.usage_metadata and answer.usage_metadata["total_tokens"] > 0


def test_it_streams_asynchronously_with_usage(chat: ChatOpenAI) -> None:
    async def ask() -> "list[BaseMessage]":
        return [chunk async for chunk in chat.astream("When are refunds paid?", stream_usage=True)]

    chunks = asyncio.run(ask())
    assert "30 days" in "".join(chunk.text for chunk in chunks)
    assert any(getattr(chunk, "usage_metadata", None) for chunk in chunks)
