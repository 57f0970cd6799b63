"""The one double: a language model by OpenAI's protocol that answers word by word, so that a stream has many events, and fails on demand."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List, Optional

WORDS = ["Refunds ", "are ", "paid ", "within ", "30 ", "days ", "[1]."]


class Model:
    def __init__(self) -> None:
        #: Statuses to fail with, one for each coming request.
        self.failures: List[int] = []
        #: While it is set, a stream stops after its first words until the event comes.
        self.held: Optional[threading.Event] = None
        self.asked = 0
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                model.asked += 1
                if model.failures:
                    self.send_response(model.failures.pop(0))
                    self.end_headers()
                    return
                self.send_response(200)
                streamed = bool(request.get("stream"))
                self.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
                self.end_headers()
                try:
                    self._stream() if streamed else self._whole()
                except OSError:
                    pass  # The server has gone.

            def _whole(self) -> None:
                choice = {"index": 0, "message": {"role": "assistant", "content": "".join(WORDS)}, "finish_reason": "stop"}
                usage = {"prompt_tokens": 1, "completion_tokens": 7, "total_tokens": 8}
                self.wfile.write(json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "double", "choices": [choice], "usage": usage}).encode())

            def _stream(self) -> None:
                for number, word in enumerate(WORDS):
                    if number == 2 and model.held is not None:
                        model.held.wait(30)
                    self._chunk({"content": word}, None)
                self._chunk({}, "stop")
                self.wfile.write(b"data: [DONE]\n\n")

            def _chunk(self, delta: Dict[str, Any], finish: Optional[str]) -> None:
                choice = {"index": 0, "delta": delta, "finish_reason": finish}
                chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "double", "choices": [choice]}
                self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
