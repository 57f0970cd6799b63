"""A webhook endpoint of the tests' own, which keeps what it gets as it came."""

from __future__ import annotations

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, Tuple

WAIT_S = 20


class Receiver:
    def __init__(self) -> None:
        self._got: "queue.Queue[Tuple[bytes, Dict[str, str]]]" = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver._got.put((body, {name.lower(): value for name, value in self.headers.items()}))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def next(self) -> Tuple[bytes, Dict[str, str]]:
        """The next delivery; `queue.Empty` when none comes in time."""
        return self._got.get(timeout=WAIT_S)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
