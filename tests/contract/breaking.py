"""What of an OpenAPI document would break a client that was written against an earlier one.

    python breaking.py EARLIER.json LATER.json

Invariant: additions (paths, optional parameters, members of answers, laxer bounds of what is taken) are no breaks; whatever takes something away from what a
client may send or may rely on is one, and needs a higher contract version (`info.version`: the major number).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

METHODS = ("get", "post", "put", "delete")
#: A bound of what is taken, and whether a larger value is the laxer one.
BOUNDS = {"minLength": False, "minimum": False, "minItems": False, "minProperties": False, "maxLength": True, "maximum": True, "maxItems": True, "maxProperties": True}
#: Rules that hold on top of a schema's own members: one that was not there narrows what is taken.
RULES = ("allOf", "oneOf", "not", "if", "then", "else", "contains", "propertyNames", "dependentRequired", "uniqueItems", "multipleOf", "exclusiveMinimum", "exclusiveMaximum")
MAX_DEPTH = 12


def breaks(old: Dict[str, Any], new: Dict[str, Any]) -> List[str]:
    """Every break, empty where there is none."""
    return list(_Comparison(old, new).all())


def allowed(old: Dict[str, Any], new: Dict[str, Any]) -> bool:
    """Whether the later document may break clients: its contract version is a higher one."""
    return _version(new)[0] > _version(old)[0]


def _version(document: Dict[str, Any]) -> Tuple[int, ...]:
    return tuple(int(part) for part in document["info"]["version"].split("."))


class _Comparison:
    def __init__(self, old: Dict[str, Any], new: Dict[str, Any]) -> None:
        self._old, self._new = old, new

    def all(self) -> Iterator[str]:
        if _version(self._new) < _version(self._old):
            yield "info.version: is lower than it was"
        for path, methods in self._old["paths"].items():
            for method in METHODS:
                if method not in methods:
                    continue
                later = self._new["paths"].get(path, {}).get(method)
                where = f"{method.upper()} {path}"
                if later is None:
                    yield f"{where}: is gone"
                else:
                    yield from self._operation(where, methods[method], later)

    def _operation(self, where: str, old: Dict[str, Any], new: Dict[str, Any]) -> Iterator[str]:
        scopes = {scope for one in new.get("security", []) for scope in one["key"]} - {scope for one in old.get("security", []) for scope in one["key"]}
        if scopes:
            yield f"{where}: needs the scopes {sorted(scopes)} now"
        yield from self._parameters(where, old, new)
        yield from self._body(where, old.get("requestBody"), new.get("requestBody"))
        for status, response in old["responses"].items():
            later = new["responses"].get(status)
            if later is None:
                # An error that no longer happens breaks nobody.
                if status < "400":
                    yield f"{where}: {status} is gone"
                continue
            yield from self._response(f"{where} {status}", self._resolve(self._old, response), self._resolve(self._new, later))
        for status in set(new["responses"]) - set(old["responses"]):
            if status < "400":
                yield f"{where}: answers {status} now"

    def _parameters(self, where: str, old: Dict[str, Any], new: Dict[str, Any]) -> Iterator[str]:
        def named(document: Dict[str, Any], operation: Dict[str, Any]) -> Dict[Tuple[str, str], Dict[str, Any]]:
            resolved = (self._resolve(document, parameter) for parameter in operation.get("parameters", []))
            return {(one["in"], one["name"]): one for one in resolved}

        before, after = named(self._old, old), named(self._new, new)
        for key, parameter in before.items():
            if key not in after:
                yield f"{where}: the parameter {key[1]} is gone"
                continue
            if after[key]["required"] and not parameter["required"]:
                yield f"{where}: the parameter {key[1]} is needed now"
            yield from self._taken(f"{where} {key[1]}", parameter["schema"], after[key]["schema"], 0)
        for key in set(after) - set(before):
            if after[key]["required"]:
                yield f"{where}: the new parameter {key[1]} is needed"

    def _body(self, where: str, old: Any, new: Any) -> Iterator[str]:
        if old is None:
            if new is not None and new.get("required"):
                yield f"{where}: needs a body now"
            return
        if new is None:
            yield f"{where}: takes no body any more"
            return
        if new.get("required") and not old.get("required"):
            yield f"{where}: the body is needed now"
        for media_type, content in old["content"].items():
            if media_type not in new["content"]:
                yield f"{where}: {media_type} is not taken any more"
            else:
                yield from self._taken(f"{where} body", content["schema"], new["content"][media_type]["schema"], 0)

    def _response(self, where: str, old: Dict[str, Any], new: Dict[str, Any]) -> Iterator[str]:
        for name, header in old.get("headers", {}).items():
            later = new.get("headers", {}).get(name)
            needed = self._resolve(self._old, header)["required"]
            if later is None or (needed and not self._resolve(self._new, later)["required"]):
                yield f"{where}: the header {name} is not always there any more"
        for media_type, content in old.get("content", {}).items():
            if media_type not in new.get("content", {}):
                yield f"{where}: {media_type} is not answered any more"
            elif "schema" in content:
                yield from self._given(f"{where} answer", content["schema"], new["content"][media_type].get("schema", {}), 0)

    def _taken(self, where: str, old: Any, new: Any, depth: int) -> Iterator[str]:
        """What a client sends: the later schema must take all that the earlier one took."""
        old, new = self._resolve(self._old, old), self._resolve(self._new, new)
        if depth > MAX_DEPTH:
            return
        if lost := _types(old) - _types(new) if _types(new) else set():
            yield f"{where}: takes no {'/'.join(sorted(lost))} any more"
        if lost_values := _values(old) - _values(new) if _values(new) and _values(old) else set():
            yield f"{where}: takes no {', '.join(sorted(lost_values))} any more"
        if _values(new) and not _values(old):
            yield f"{where}: takes only some values now"
        if "pattern" in new and new["pattern"] != old.get("pattern"):
            yield f"{where}: must match {new['pattern']} now"
        for bound, larger_is_laxer in BOUNDS.items():
            if bound in new and (bound not in old or (new[bound] < old[bound] if larger_is_laxer else new[bound] > old[bound])):
                if bound in old or new[bound] not in (0,):
                    yield f"{where}: {bound} is narrower"
        for rule in RULES:
            if rule in new and new[rule] != old.get(rule):
                yield f"{where}: the rule {rule} is new or another one"
        for name in set(new.get("required", [])) - set(old.get("required", [])):
            yield f"{where}/{name}: is needed now"
        for name, schema in old.get("properties", {}).items():
            later = new.get("properties", {}).get(name)
            if later is not None:
                yield from self._taken(f"{where}/{name}", schema, later, depth + 1)
            elif new.get("additionalProperties") is False:
                yield f"{where}/{name}: is not taken any more"
        for choice in old.get("anyOf", []):
            if "properties" not in old and not any(not list(self._taken(where, choice, other, depth + 1)) for other in new.get("anyOf", [new])):
                yield f"{where}: takes one of its alternatives no more"
        if new.get("additionalProperties") is False and old.get("additionalProperties") is not False and "properties" in old:
            yield f"{where}: takes no other members any more"
        if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
            yield from self._taken(f"{where}/*", old["items"], new["items"], depth + 1)

    def _given(self, where: str, old: Any, new: Any, depth: int) -> Iterator[str]:
        """What a client reads: the later schema must promise all that the earlier one promised."""
        old, new = self._resolve(self._old, old), self._resolve(self._new, new)
        if depth > MAX_DEPTH:
            return
        if _types(old) and (more := (_types(new) or {"anything"}) - _types(old)):
            yield f"{where}: may be {'/'.join(sorted(more))} now"
        if _values(old) and (more_values := _values(new) - _values(old) if _values(new) else {"anything"}):
            yield f"{where}: may be {', '.join(sorted(more_values))} now"
        required = set(new.get("required", []))
        for name, schema in old.get("properties", {}).items():
            if name not in new.get("properties", {}):
                yield f"{where}/{name}: is gone"
                continue
            if name in old.get("required", []) and name not in required:
                yield f"{where}/{name}: is not always there any more"
            yield from self._given(f"{where}/{name}", schema, new["properties"][name], depth + 1)
        if isinstance(old.get("items"), dict):
            yield from self._given(f"{where}/*", old["items"], new.get("items", {}), depth + 1)
        for choice in new.get("anyOf", []) if "anyOf" in old and "properties" not in old else []:
            if not any(not list(self._given(where, other, choice, depth + 1)) for other in old["anyOf"]):
                yield f"{where}: may be another alternative now"
        for name in ("additionalProperties", "contentSchema"):
            if isinstance(old.get(name), dict):
                yield from self._given(f"{where}/{name}", old[name], new.get(name) or {}, depth + 1)

    @staticmethod
    def _resolve(document: Dict[str, Any], value: Any) -> Dict[str, Any]:
        while isinstance(value, dict) and "$ref" in value:
            found: Any = document
            for part in value["$ref"][2:].split("/"):
                found = found[part]
            value = found
        return value if isinstance(value, dict) else {}


def _types(schema: Dict[str, Any]) -> Set[str]:
    """The types that a schema names; an integer is a number, none at all is anything."""
    given = schema.get("type", [])
    named = {given} if isinstance(given, str) else set(given)
    for choice in schema.get("anyOf", []):
        named |= _types(choice) if isinstance(choice, dict) and "$ref" not in choice else {"object"}
    return named | ({"integer"} if "number" in named else set())


def _values(schema: Dict[str, Any]) -> Set[str]:
    if "const" in schema:
        return {json.dumps(schema["const"])}
    return {json.dumps(value) for value in schema.get("enum", [])}


def main() -> int:
    old, new = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
    found = breaks(old, new)
    if not found or allowed(old, new):
        return 0
    print("These changes break clients and need a higher contract version (info.version):", *found, sep="\n  ", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
