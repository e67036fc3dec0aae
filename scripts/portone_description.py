"""Write what PortOne's official description of V1 says about the calls of billing, as facts in our own form.

    python scripts/portone_description.py v1.openapi.json > tests/support/portone_v1.json

The argument is `src/schema/v1.openapi.json` of the repository portone-io/developers.portone.io: a Swagger 2.0 file of
half a megabyte, most of it prose. Kept are methods, paths, parameters, types, lengths, listed values, what is required,
and which status has which answer. Only tests read the result.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SUBJECTS = ("/users/getToken", "/users/pg", "/payments", "/subscribe/", "/paymentwall/")
NOT_OURS = "/naver/"
"""Orders of Naver's shop are not billing."""

WORD = re.compile(r"\w+")
LISTED = re.compile(r"^- ([a-z0-9._]+) ?:", re.MULTILINE)
"""How the description lists the values of a field: in its prose, one a line."""


def main(path: str) -> int:
    """Print the facts."""
    content = Path(path).read_bytes()
    sys.stdout.write(written(json.loads(content), hashlib.sha256(content).hexdigest()))
    return 0


def written(description: Json, digest: str) -> str:
    """The facts as JSON, one field a line."""
    header = {
        "about": "Facts of PortOne's official description of REST API V1, reduced by scripts/portone_description.py",
        "source": "portone-io/developers.portone.io: src/schema/v1.openapi.json",
        "sha256": digest,
    }
    parts = ["  " + json.dumps(name) + ": " + json.dumps(value) for name, value in header.items()]
    parts += ["  " + _block("operations", operations(description)), "  " + _block("shapes", shapes(description))]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def operations(description: Json) -> Json:
    """Method and path → the parameters that a call takes, and the answers by HTTP status."""
    found: Json = {}
    for path, methods in sorted(description["paths"].items()):
        if path.startswith(SUBJECTS) and NOT_OURS not in path:
            for method, operation in sorted(methods.items()):
                answers = operation["responses"].items()
                takes = {f"takes {one['name']}": _parameter(one) for one in operation.get("parameters", [])}
                found[f"{method.upper()} {path}"] = takes | {
                    f"answers {status}": _answer(description, answer.get("schema")) for status, answer in answers
                }
    return found


def shapes(description: Json) -> Json:
    """The records that those answers and parameters hold, by name."""
    definitions = description["definitions"]
    found: Json = {}
    wanted = _named(operations(description), definitions)
    while wanted:
        name = wanted.pop()
        found[name] = _shape(definitions[name])
        wanted |= _named(found[name], definitions) - set(found)
    return dict(sorted(found.items()))


def _named(facts: Json, definitions: Json) -> set[str]:
    return set(WORD.findall(json.dumps(facts))) & set(definitions)


def _shape(definition: Json) -> Json:
    required = definition.get("required", [])
    fields = {field: _field(value) for field, value in definition["properties"].items()}
    for field in required:
        fields[field] = fields.get(field, {}) | {"required": True}
    return fields


def _parameter(parameter: Json) -> Json:
    fact = {"in": parameter["in"].replace("formData", "body")} | _field(parameter)
    return fact | ({"required": True} if parameter.get("required") else {})


def _field(value: Json) -> Json:
    """What is said of one field. A schema beside a type is the finer one: `merchant_uid` of unschedule."""
    if "$ref" in value or "$ref" in value.get("schema", {}):
        return {"shape": _name(value.get("schema", value))}
    fact: Json = {"type": value.get("type", "object")}
    if fact["type"] == "array":
        items: Json = value.get("items") or value.get("schema") or {}
        fact["of"] = _name(items) if "$ref" in items else items.get("type", "any")
    if "maxLength" in value and fact["type"] == "string":
        fact["longest"] = int(value["maxLength"])
    listed = value.get("enum") or LISTED.findall(value.get("x-portone-description", ""))
    if listed and fact["type"] == "string":
        fact["values"] = [None if one == "null" else one for one in listed]
    return fact


def _answer(description: Json, schema: Json | None) -> Any:
    """The shapes that `response` may have: none, one, one of several, or `[shape]` for a list."""
    if schema is None:
        return None
    if "$ref" not in schema:  # an ordinary key, or one that holds several channels: meant as either, drawn as both
        return [name for one in schema["properties"].values() for name in _answer(description, one)]
    definition = description["definitions"][_name(schema)]
    parts = definition.get("allOf", [definition])
    response = next(p["properties"]["response"] for p in parts if "response" in p.get("properties", {}))
    if response.get("type") == "array":
        return ["[" + _name(response["items"]) + "]"]
    return [_name(response)]


def _name(reference: Json) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _block(name: str, records: Json) -> str:
    rows = []
    for record, fields in records.items():
        lines = [f"      {json.dumps(field)}: {json.dumps(fact)}" for field, fact in fields.items()]
        rows.append(f"    {json.dumps(record)}: {{\n" + ",\n".join(lines) + "\n    }")
    return json.dumps(name) + ": {\n" + ",\n".join(rows) + "\n  }"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
