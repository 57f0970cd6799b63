"""The OpenAPI document as the tests use it: its operations, and answers held against it.

Invariant: an answer that has a member, a status, a media type or lacks a header other than the document says is an error, not a remark.
"""

from __future__ import annotations

import copy
from typing import Any, Dict, Iterator, Tuple

import httpx
import jsonschema

#: Schemas that ask about a value and do not describe it.
CONDITIONS = ("if", "then", "contains")
METHODS = ("get", "post", "put", "delete")


class Document:
    def __init__(self, document: Dict[str, Any]) -> None:
        self.raw = document
        self._closed = closed(copy.deepcopy(document))

    def operations(self) -> Iterator[Tuple[str, str, str, Dict[str, Any]]]:
        """Operation id, method, path, operation."""
        for path, methods in self.raw["paths"].items():
            for method in METHODS:
                if method in methods:
                    yield methods[method]["operationId"], method, path, methods[method]

    def find(self, operation_id: str) -> Tuple[str, str, Dict[str, Any]]:
        return next((method, path, operation) for id, method, path, operation in self.operations() if id == operation_id)

    def resolve(self, value: Dict[str, Any], closed: bool = False) -> Dict[str, Any]:
        reference = value.get("$ref")
        if reference is None:
            return value
        found: Any = self._closed if closed else self.raw
        for part in reference[2:].split("/"):
            found = found[part]
        return found  # type: ignore[no-any-return]

    def check(self, operation_id: str, answer: httpx.Response) -> str:
        """Holds an answer against its operation; its media type."""
        method, path, operation = self.find(operation_id)
        where = f"{method.upper()} {path} {answer.status_code}"
        responses = self._closed["paths"][path][method]["responses"]
        assert str(answer.status_code) in responses, f"{where}: the status is not documented: {answer.text[:500]}"
        response = self.resolve(responses[str(answer.status_code)], closed=True)
        for name, header in response.get("headers", {}).items():
            header = self.resolve(header, closed=True)
            assert name in answer.headers or not header["required"], f"{where}: the header {name} is missing"
        media_type = answer.headers.get("content-type", "").split(";")[0]
        content = response.get("content", {})
        assert media_type in content or not answer.content, f"{where}: {media_type} is not documented"
        if media_type in ("application/json", "application/problem+json"):
            self.validate(answer.json(), content[media_type]["schema"], where)
        return media_type

    def validate(self, value: Any, schema: Dict[str, Any], where: str) -> None:
        """Validates by a schema out of the closed document."""
        root = {**schema, "components": self._closed["components"]}
        errors = [f"{error.json_path}: {error.message[:300]}" for error in jsonschema.Draft202012Validator(root).iter_errors(value)]
        assert not errors, f"{where}: {errors}"


def closed(schema: Any) -> Any:
    """The same document, with no room for a member that it does not tell of."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema and "anyOf" not in schema:
            schema["additionalProperties"] = False
        for name, value in schema.items():
            if name not in CONDITIONS:
                closed(value)
    elif isinstance(schema, list):
        for value in schema:
            closed(value)
    return schema
