"""What differs from run to run, made the same: so that a recorded example changes only when an answer does.

Invariant: the shape is never touched, nor any text, number or flag that the same calls give again.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any, Dict

TIME = "2026-01-31T09:00:00.000Z"
PREFIXES = "agent|ds|run|doc|chk|sess|int|wh|dlv|key|org|evt|req|job|rpl|era"
CHECKPOINT = "twig.audit/example/org_01kg8z00000000000000000001\n42\n" + "q" * 43 + "=\n\n— twig.audit/example " + "q" * 91 + "=\n"
#: Members that tell of time, of the log's length or of a hash.
MEMBERS: Dict[str, Any] = {
    "latencyMs": 12, "lagMs": 0, "created": 1769850000, "position": 42, "untilPosition": 42, "minute": 7, "today": 7, "p50": 12, "p95": 12, "p99": 12,
    "nextCursor": "eyJleGFtcGxlIjp0cnVlfQ", "lastFour": "mple", "manifest": "ab" * 32, "hash": "q" * 43 + "=", "messagesSha256": "ab" * 32, "bytes": 128,
    "eventSha256": "ab" * 32, "verifierKey": "twig.audit/example+4a227309+AS" + "q" * 42, "checkpoint": CHECKPOINT, "ciphertextSha256": "ab" * 32,
    "ip": "203.0.113.7", "leafHash": "q" * 43 + "=", "total": 1, "leafIndex": 41, "treeSize": 42,
}  # fmt: skip
PATTERNS = [
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), TIME),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b(?!T)"), TIME[:10]),
    (re.compile(r"twigsk_(live|test)_[0-9A-Za-z]+"), r"twigsk_\1_EXAMPLE"),
    (re.compile(r"whsec_[0-9A-Za-z+/=]+"), "whsec_RVhBTVBMRQ=="),
    (re.compile(r"http://127\.0\.0\.1:\d+/hook"), "https://hooks.example.com/twig"),
    (re.compile(r"python-httpx/[\d.]+"), "example/1.0"),
]  # fmt: skip


class Normal:
    def __init__(self) -> None:
        self._ids: Dict[str, str] = {}
        self._counts: Dict[str, int] = {}

    def __call__(self, value: Any, member: str = "") -> Any:
        if isinstance(value, dict) and "hashes" in value:
            # A proof is as long as the log's length makes it.
            value = {**value, "hashes": [MEMBERS["hash"]] * 2}
        if isinstance(value, dict) and "done" in value and "total" in value:
            # A job's steps are counted the same in every run.
            return value
        if isinstance(value, dict):
            # A figure's value and the one before it are of the figure's kind.
            return {name: self(inner, member if member in MEMBERS and name in ("value", "previous") else name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self(inner, "position" if member == "positions" else "") for inner in value]
        if member in MEMBERS and value is not None and not isinstance(value, (dict, list)):
            return MEMBERS[member]
        if isinstance(value, float):
            # What a model computes differs in its last digits from processor to processor.
            return round(value, 1)
        return self._text(value) if isinstance(value, str) else value

    def rows(self, text: str, media_type: str) -> str:
        """The same for a table, lines of JSON, or events."""
        if media_type == "text/csv":
            head, *rows = csv.reader(io.StringIO(text))
            out = io.StringIO()
            csv.writer(out, lineterminator="\n").writerows([head, *([self._cell(name, cell) for name, cell in zip(head, row)] for row in rows)])
            return out.getvalue()
        return "\n".join(self._line(line) for line in text.split("\n"))

    def _cell(self, column: str, cell: str) -> str:
        if cell[:1] in ("[", "{"):
            return json.dumps(self(json.loads(cell)), separators=(",", ":"), ensure_ascii=False)
        return str(self(cell, column.split(".")[-1])) if cell else ""

    def _line(self, line: str) -> str:
        start = "data: " if line.startswith("data: {") else ""
        if not start and not line.startswith("{"):
            return self._text(line)
        return start + json.dumps(self(json.loads(line[len(start):])), separators=(",", ":"), ensure_ascii=False)

    def _text(self, text: str) -> str:
        for pattern, replacement in PATTERNS:
            text = pattern.sub(replacement, text)
        return re.sub(rf"\b({PREFIXES})_[0-9a-z]{{26}}\b", self._id, text)

    def _id(self, found: "re.Match[str]") -> str:
        if found[0] not in self._ids:
            count = self._counts[found[1]] = self._counts.get(found[1], 0) + 1
            self._ids[found[0]] = f"{found[1]}_01kg8z{count:020d}"
        return self._ids[found[0]]
