"""What schemathesis is told of this API beyond its document.

Invariant: only one kind of finding is dropped, a request that fits its schema and is refused all the same, and only where the server names a reason that no
schema can state: what is not there, what belongs to another list, what must be in the future, a stale version.
"""

from __future__ import annotations

import json
import os
import random
import uuid
from typing import Any, Dict, List

import schemathesis

#: The run's own key, which it must not revoke or rotate away.
OWN_KEY = os.environ["TWIG_OWN_KEY_ID"]
#: Things that there are, by the name of the member that names them: so that questions are answered, too.
KNOWN: Dict[str, str] = json.loads(os.environ["TWIG_KNOWN"])
KNOWN_SHARE = 0.7
OTHER_KEY = "key_00000000000000000000000000"
#: How a reason of a 400 begins or ends that a schema cannot state.
UNSTATEABLE = (
    "was not found", "must be an absolute URL", "must be https; http is allowed", "is not a cursor of this list with these filters", "can't be given together", "must be before endDate", "must be in the future",
    "is given twice", "is not an event of this interaction", "can't be changed; make a new data spec", "would make more than", "within the years that can be counted",
    "is outside the years that can be counted", "must be an IANA time zone", "is in a network that may not be reached", "could not be resolved", "either since or fromPosition is needed",
    "is not a type of message", "is not a header name", "is reserved", "keeps a value, and there is none yet", "must have visible ASCII characters only",
    "the last user message must have",
)  # fmt: skip
#: A version that is not the current one; a key that was used with another body.
STALE = (412, 422)


def stateable(body: Dict[str, Any]) -> List[str]:
    """The reasons of a refusal that the document should have told of. A `config` is another one for each type of data spec."""
    fields = (body.get("error", {}).get("details") or {}).get("fields", [{"pointer": "", "reason": ""}])
    outside = (field["reason"] for field in fields if not field["pointer"].startswith("/config"))
    return [reason for reason in outside if not any(known in reason for known in UNSTATEABLE)]


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
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    if response.status_code in STALE:
        return False
    return bool(stateable(response.json()))
