"""The HTTP path as a FastAPI service would have it, on the same views: `fastapi_agent.py VIEWS_DB`, two processes."""

import hashlib
import os
import socket
import sqlite3
import sys
import threading
import time

import orjson
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

PROCESSES = 2
PER_MINUTE = 1_000_000_000

app = FastAPI()
bearer = HTTPBearer()
counted = {}
local = threading.local()


def views():
    if not hasattr(local, "views"):
        local.views = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, check_same_thread=False)
    return local.views


async def organization(given: HTTPAuthorizationCredentials = Depends(bearer)):
    known = hashlib.sha256(given.credentials.encode()).hexdigest()
    found = views().execute("SELECT organization FROM key_hashes_v1 WHERE id = ?", (known,)).fetchone()
    if not found:
        raise HTTPException(401)
    minute = int(time.time()) // 60
    window = counted.get(found[0])
    counted[found[0]] = (minute, window[1] + 1 if window and window[0] == minute else 1)
    if counted[found[0]][1] > PER_MINUTE:
        raise HTTPException(429)
    return found[0]


@app.get("/api/agents/{agent}")
async def agent(agent: str, organization: str = Depends(organization)):
    found = views().execute("SELECT body FROM agents_v1 WHERE organization = ? AND id = ?", (organization, agent)).fetchone()
    if not found:
        raise HTTPException(404)
    return Response(orjson.dumps({"data": orjson.loads(found[0]), "status": "success"}), media_type="application/json")


def main():
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    others = [pid for pid in (os.fork() for _ in range(PROCESSES - 1)) if pid] if PROCESSES > 1 else []
    if len(others) == PROCESSES - 1:
        print(f"listening on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    else:
        # A child ends with its parent.
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


main()
