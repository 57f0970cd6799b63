"""A support bot on the terminal: streamed answers, one session for the conversation, sources below each answer.

    TWIG_API_KEY=… TWIG_AGENT_ID=agent_… python support_bot.py
"""

from __future__ import annotations

import os
import sys

from twig_ai import APIError, Twig


def ask(twig: Twig, agent_id: str, prompt: str, session_id: "str | None") -> "str | None":
    """Prints the answer as it comes and returns its session, to go on with."""
    with twig.chat.stream(prompt=prompt, agent_id=agent_id, session_id=session_id) as stream:
        for event in stream:
            if event["type"] == "message.delta":
                print(event["text"], end="", flush=True)
            elif event["type"] == "message.completed":
                print()
                for source in event["sources"]:
                    print(f"  [{source['index']}] {source['documentTitle']} ({source['documentUrl']})")
        return stream.session_id


def main() -> None:
    agent_id, session_id = os.environ["TWIG_AGENT_ID"], None
    with Twig() as twig:
        for line in sys.stdin:
            if not line.strip():
                continue
            try:
                session_id = ask(twig, agent_id, line.strip(), session_id)
            except APIError as error:
                # The conversation goes on; the request id is what an operator needs to find the cause.
                print(f"Sorry, that failed: {error.message} (request {error.request_id})")


if __name__ == "__main__":
    main()
