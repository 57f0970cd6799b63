"""ClickHouse: the whole engine as a Python library, listening over HTTP. The library's own local mode keeps `default` in memory; tests use databases of
their own, which are on disk."""

import os
import sys

import programs
from server import Server, exchange, port_of

PACKAGE, VERSION = "chdb-core", "26.9.0"
CONFIG = "<clickhouse><listen_host>127.0.0.1</listen_host><http_port>{http}</http_port><tcp_port>{tcp}</tcp_port></clickhouse>"
PING = b"GET /ping HTTP/1.0\r\n\r\n"
# Runs until a line comes out of the fifo; reads its configuration from $HOME when it is imported.
CHILD = """
import signal, sys, threading
import chdb
fifo, data = sys.argv[1:3]
wait = f"SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; SELECT count() FROM file('{fifo}', 'LineAsString')"
server = threading.Thread(target=lambda: chdb._chdb.query(wait, output_format="TSV", path=data), daemon=True)
server.start()
told = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.set())
while not told.wait(0.1) and server.is_alive():
    pass
with open(fifo, "w") as line:
    line.write("end\\n")
server.join(20)
"""


def make(data, _brokers):
    library = programs.from_pip(PACKAGE, VERSION)
    http, tcp = port_of(data, "clickhouse"), port_of(data, "clickhouse.native")
    home, fifo = data / "clickhouse", data / "clickhouse.fifo"
    (home / ".clickhouse-local").mkdir(parents=True, exist_ok=True)
    (home / ".clickhouse-local" / "config.xml").write_text(CONFIG.format(http=http, tcp=tcp))
    if not fifo.exists():
        os.mkfifo(fifo)
    command = [sys.executable, "-c", CHILD, fifo, home / "data"]
    environment = {"HOME": str(home), "PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"}
    server = Server("clickhouse", command, data / "clickhouse.log", lambda: exchange(http, PING, len(b"HTTP/1.0 200 OK")), environment=environment)
    return [server], f"http://127.0.0.1:{http}"
