"""Receives webhooks: verifies the raw body, does each event once, and answers quickly.

    TWIG_WEBHOOK_SECRET=whsec_… python webhook_receiver.py [PORT]
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Set

from twig_ai import WebhookVerificationError, webhooks
from twig_ai.types import WebhookEvent

MAX_BODY_BYTES = 20_000

#: Deliveries come at least once. A real receiver keeps these in the transaction of its own work.
done: Set[str] = set()


def handle(event: WebhookEvent) -> None:
    """Belongs into a queue where it takes long: the server waits 15 s at most."""
    print(f"{event['type']} {event['id']}", flush=True)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BODY_BYTES:
            return self.answer(413)
        try:
            # The body as it came: JSON that was parsed and written again has another signature.
            event = webhooks.verify(self.rfile.read(length), dict(self.headers), os.environ["TWIG_WEBHOOK_SECRET"])
        except WebhookVerificationError as error:
            print(f"refused: {error}", flush=True)
            return self.answer(400)
        if event["id"] not in done:
            handle(event)
            done.add(event["id"])
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Receiver)
    print(f"receiving on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
