"""A proxy between a client and the real server that does harm on demand.

Invariant: a fault is used once, by the first request that it fits; all other requests pass as they are, and each is in `seen`.
"""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Dict, List, Optional
from urllib.parse import urlsplit

MAX_SLOW_S = 30
POLL_S = 0.02


@dataclass
class Fault:
    """`answer` instead of the server; `lose` the server's answer; `cut` its body after so many events; be `slow` until released."""

    on: str = ""
    answer: Optional[int] = None
    headers: Dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    forward: bool = False
    lose: bool = False
    cut_after_events: Optional[int] = None
    cut_after_bytes: Optional[int] = None
    slow: Optional[threading.Event] = None

    def fits(self, method: str, path: str) -> bool:
        return f"{method} {path}".startswith(self.on)


@dataclass
class Seen:
    method: str
    path: str
    headers: Dict[str, str]


class Proxy:
    def __init__(self, upstream: str) -> None:
        self.faults: List[Fault] = []
        self.seen: List[Seen] = []
        proxy, address = self, urlsplit(upstream)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do(self) -> None:
                self.close_connection = True
                body = self.rfile.read(int(self.headers.get("content-length") or 0)) if "transfer-encoding" not in self.headers else self._chunked()
                proxy.seen.append(Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
                fault = next((one for one in proxy.faults if one.fits(self.command, self.path)), Fault())
                if fault in proxy.faults:
                    proxy.faults.remove(fault)
                if fault.slow is not None:
                    fault.slow.wait(MAX_SLOW_S)
                    if not fault.forward:
                        return
                response = None
                if fault.answer is None or fault.forward:
                    response = self._forward(body)
                if fault.lose:
                    assert response is not None
                    response.read()
                    return
                try:
                    if fault.answer is not None:
                        if response is not None:
                            response.read()
                        self._answer(fault)
                    else:
                        assert response is not None
                        self._pass(response, fault)
                except OSError:
                    pass  # The client has gone.

            do_GET = do_POST = do_PUT = do_DELETE = do

            def _chunked(self) -> bytes:
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _forward(self, body: bytes) -> http.client.HTTPResponse:
                connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=MAX_SLOW_S)
                dropped = ("host", "connection", "transfer-encoding", "content-length")
                headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
                connection.request(self.command, self.path, body or None, {**headers, "Connection": "close"})
                return connection.getresponse()

            def _answer(self, fault: Fault) -> None:
                self.send_response(fault.answer or 500)
                for name, value in fault.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(fault.body)))
                self.end_headers()
                self.wfile.write(fault.body)

            def _pass(self, response: http.client.HTTPResponse, fault: Fault) -> None:
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                # A chunked body whose last chunk is missing is how a cut looks to a client.
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                events = sent = 0
                tail = b""
                while True:
                    if fault.cut_after_events is not None and events >= fault.cut_after_events:
                        return
                    if fault.cut_after_bytes is not None and sent >= fault.cut_after_bytes:
                        return
                    byte = response.read(1)
                    if not byte:
                        break
                    tail = (tail + byte)[-2:]
                    events += tail == b"\n\n"
                    sent += 1
                    self.wfile.write(b"1\r\n" + byte + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()

    def requests(self, start: str) -> List[Seen]:
        return [one for one in self.seen if f"{one.method} {one.path}".startswith(start)]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
