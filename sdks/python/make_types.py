"""Makes `twig_ai/_schema.py` of the API's OpenAPI document: every shape of an answer. With `--check` it writes nothing and fails where they differ.

Invariant: a type has the members that the document says, those that are not always there are `NotRequired`, those that may be `null` are `Optional`.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
from pathlib import Path
from typing import Any, Dict, List, Set

ROOT = Path(__file__).parent
TARGET = ROOT / "src" / "twig_ai" / "_schema.py"
DOCUMENT = ROOT.parents[1] / "schemas" / "openapi.json"
#: What other protocols' clients use, what the client turns into exceptions, what those who run a server ask, and what streams are read into by hand.
LEFT_OUT = re.compile(r"^(ChatCompletion|JsonRpc|Model|OpenAIError|Error$|Problem$|Health$|Readiness$|StreamEvent$|MessageError$)")
HEAD = '''"""Made by make_types.py of the OpenAPI document: change it there."""

# No `from __future__ import annotations` here: TypedDict would not see what is NotRequired.

from typing import Any, Dict, List, Literal, Optional, Union

from typing_extensions import NotRequired, TypedDict
'''


def kind(schema: Dict[str, Any], name: str, more: List[str]) -> str:
    """The type of a schema; an object within one gets a name of its own, which goes before it."""
    if "$ref" in schema:
        return '"' + str(schema["$ref"].split("/")[-1]) + '"'
    if "anyOf" in schema and "properties" not in schema:
        return union([kind(choice, name, more) for choice in schema["anyOf"]])
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        values = ", ".join(json.dumps(value) for value in schema["enum"] if value is not None)
        return union([f"Literal[{values}]", *(["None"] if None in schema["enum"] else [])])
    given = schema.get("type", [])
    return union([plain(one, schema, name, more) for one in ([given] if isinstance(given, str) else given)])


def union(kinds: List[str]) -> str:
    inner = [one for one in dict.fromkeys(kinds) if one != "None"]
    if not inner:
        return "None" if "None" in kinds else "Any"
    whole = inner[0] if len(inner) == 1 else f"Union[{', '.join(inner)}]"
    return f"Optional[{whole}]" if "None" in kinds and inner else whole


def plain(given: str, schema: Dict[str, Any], name: str, more: List[str]) -> str:
    if given == "array":
        return f"List[{kind(schema.get('items', {}), name, more)}]"
    if given == "object" and "properties" in schema:
        more.append(shape(name, schema))
        return f'"{name}"'
    if given == "object":
        values = schema.get("additionalProperties")
        return f"Dict[str, {kind(values, name, more) if isinstance(values, dict) else 'Any'}]"
    return {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}[given]


def shape(name: str, schema: Dict[str, Any]) -> str:
    more: List[str] = []
    members = {}
    for member, inner in schema["properties"].items():
        given = kind(inner, name + member[0].upper() + member[1:], more)
        members[member] = given if member in schema.get("required", []) else f"NotRequired[{given}]"
    if any(keyword.iskeyword(member) for member in members):
        body = ", ".join(f'"{member}": {given}' for member, given in members.items())
        return "\n\n".join([*more, f'{name} = TypedDict("{name}", {{{body}}})'])
    comment = f'    """{schema["description"]}."""\n\n' if "description" in schema else ""
    body = "\n".join(f"    {member}: {given}" for member, given in members.items())
    return "\n\n".join([*more, f"class {name}(TypedDict):\n{comment}{body}"])


def bodies(document: Dict[str, Any]) -> Set[str]:
    """The shapes that are sent: methods take those as keyword arguments."""
    contents = (operation.get("requestBody", {}).get("content", {}) for methods in document["paths"].values() for operation in methods.values())
    return {content["schema"].get("$ref", "").split("/")[-1] for one in contents for content in one.values()}


def main() -> int:
    document = json.loads(DOCUMENT.read_text())
    sent = bodies(document)
    shapes = {name: schema for name, schema in sorted(document["components"]["schemas"].items()) if "properties" in schema}
    wanted = [shape(name, schema) for name, schema in shapes.items() if not LEFT_OUT.match(name) and name not in sent]
    made = "\n\n".join([HEAD.rstrip("\n"), *wanted]).replace("\n\nclass", "\n\n\nclass") + "\n"
    if "--check" not in sys.argv:
        TARGET.write_text(made)
    elif TARGET.read_text() != made:
        print("src/twig_ai/_schema.py is not current: python make_types.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
