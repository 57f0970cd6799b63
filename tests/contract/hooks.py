"""What schemathesis is told of this API beyond its document.

Invariant: only one kind of finding is dropped, a request that fits its schema and is refused with 400 all the same, and only where every reason that the server
names is one that no schema can state: what is not there, what depends on another member, on time, on the network or on what was set before.
"""

from __future__ import annotations

import json
import os
import random
import re
import uuid
from typing import Any, Dict, List

import schemathesis

#: The run's own key, which it must not revoke or rotate away.
OWN_KEY = os.environ.get("TWIG_OWN_KEY_ID", "")
#: Things that there are, by the name of the member that names them: so that questions are answered, too.
KNOWN: Dict[str, str] = json.loads(os.environ.get("TWIG_KNOWN", "{}"))
KNOWN_SHARE = 0.7
OTHER_KEY = "key_00000000000000000000000000"
#: Reasons of a 400, whole, that a schema cannot state.
UNSTATEABLE = [
    # What is not there, or not there any more.
    r"(agent|data spec) (.|\n)* was not found", r"is not a cursor of this list with these filters", r"is not an event of this interaction",
    r"must be a size that the tree has reached", r"\*\*\* keeps a value, and there is none yet",
    # What depends on another parameter or member.
    r"offset and cursor can't be given together", r"must be before endDate", r"must be a tree size from 1, and not above to", r"data spec (.|\n)* is given twice",
    r"would make more than \d+ points; take a coarser one", r"the last user message must have 1 to 32000 characters", r"can't be changed; make a new data spec",
    # What depends on time and its zones.
    r"must be in the future", r"must be within the years that can be counted", r"is outside the years that can be counted", r"must be an IANA time zone such as Europe/Berlin",
    # What depends on the network, on a setting of the server, or takes a parser of addresses to see.
    r"must be an absolute URL", r"must be an https URL", r"(.|\n)* could not be resolved.*",
    r"its address is private, loopback, link-local or otherwise not on the public internet",
]  # fmt: skip
#: Reasons of a `config` that a schema cannot state; that of a PUT is of a type that the request does not name.
UNSTATEABLE_CONFIG = [
    r"must be a URL", r"(.|\n)* is in a network that may not be reached.*", r"file:// is off: .*",
]  # fmt: skip
#: Messages of MCP's 400, which depend on its headers and its body at once.
UNSTATEABLE_RPC = [
    r"Invalid params: request _meta is missing or has malformed required fields: .*", r"missing required Mcp-(Method|Name) header.*", r"Mcp-(Method|Name) header (.|\n)* does not match body (.|\n)*",
    r"Mcp-Name header is not valid Base64", r"Invalid Request: MCP-Protocol-Version header (.|\n)* does not match initialize params.protocolVersion (.|\n)*",
]  # fmt: skip


def stateable(method: str, body: Dict[str, Any]) -> List[str]:
    """The reasons of a refusal that the document should have told of."""
    if body.get("jsonrpc"):
        message = body["error"]["message"]
        return [] if any(re.fullmatch(reason, message) for reason in UNSTATEABLE_RPC) else [message]
    fields = (body.get("error", {}).get("details") or {}).get("fields") or [{"pointer": "", "reason": "no field is named"}]

    def known(field: Dict[str, str]) -> bool:
        in_config = field["pointer"].startswith("/config")
        return in_config and method == "PUT" or any(re.fullmatch(reason, field["reason"]) for reason in (UNSTATEABLE_CONFIG if in_config else UNSTATEABLE))

    return [field["reason"] for field in fields if not known(field)]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    headers = case.headers or {}
    if 0 < len(headers.get("Idempotency-Key", "")) <= 255:
        # The same few keys over all cases would have most of them refused for another one's body.
        headers["Idempotency-Key"] = str(uuid.uuid4())
    body = case.body
    if isinstance(body, dict) and random.random() < KNOWN_SHARE:
        body.update({name: id for name, id in KNOWN.items() if name in body})
    if case.operation.path.startswith("/api/api-keys/{id}") and case.path_parameters.get("id") == OWN_KEY:
        case.path_parameters["id"] = OTHER_KEY


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether a finding counts."""
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code != 400:
        return True
    return bool(stateable(case.method, response.json()))
