"""The facts of PortOne's official description as JSON Schemas, one for each request and each answer.

`portone_v1.json` holds the facts; scripts/portone_description.py made it. A schema is made with a set of names of
`portone_description.DEVIATIONS`: without them it is the description to the letter.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from billing_worker.sandbox.v1.replies import NEW_FIELDS

Json = dict[str, Any]
Known = frozenset[str]

FACTS: Json = json.loads(Path(__file__).with_name("portone_v1.json").read_text(encoding="utf-8"))
OPERATIONS: Json = FACTS["operations"]

IN_A_QUERY = {"integer": {"pattern": r"^[0-9]{1,15}$"}, "boolean": {"enum": ["true", "false"]}}
"""A query has only text."""

PAGE = {"total": {"type": "integer"}, "previous": {"type": "integer"}, "next": {"type": "integer"}}


def operation_of(method: str, path: str) -> str | None:
    """The operation whose template this path fits best, by the number of its fixed parts; None if none fits."""
    found = [name for name in OPERATIONS if _template(name).fullmatch(f"{method} {path.rstrip('/')}")]
    return max(found, key=lambda name: len(re.findall(r"/\w+(?![^{]*})", name)), default=None)


def in_path(operation: str, path: str) -> Json:
    """The parameters in a path of this operation, still quoted."""
    fitting = _template(operation).fullmatch(operation.partition(" ")[0] + " " + path.rstrip("/"))
    return {name: value for name, value in fitting.groupdict().items() if value} if fitting else {}


@cache
def _template(operation: str) -> re.Pattern[str]:
    """An optional last part, as of `find`, may be missing with its slash."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation)
    for name, fact in OPERATIONS[operation].items():
        if fact and name.startswith("takes ") and fact["in"] == "path" and not fact.get("required"):
            part = f"/(?P<{name.removeprefix('takes ')}>[^/]+)"
            pattern = pattern.replace(part, f"(?:{part})?")
    return re.compile(pattern)


def request_schema(operation: str, known: Known) -> Json:
    """A request as `{path, query, body}`: what is not described may not be sent."""
    parts: Json = {name: {"type": "object", "properties": {}, "required": []} for name in ("path", "query", "body")}
    for name, fact in OPERATIONS[operation].items():
        if name.startswith("takes "):
            field, part = name.removeprefix("takes "), parts[fact["in"]]
            as_text = fact["in"] != "body" and IN_A_QUERY.get(fact["type"])
            part["properties"][field] = {"type": "string"} | as_text if as_text else field_schema(fact, frozenset())
            part["required"] += [field] if fact.get("required") else []
    if "channel_key may be missing" in known:
        parts["body"]["required"] = [name for name in parts["body"]["required"] if name != "channel_key"]
    if f"include_sandbox: {operation}" in known:
        parts["query"]["properties"]["include_sandbox"] = {"enum": ["true"]}
    for part in parts.values():
        part["additionalProperties"] = False
    return {"type": "object", "properties": parts, "$defs": definitions(frozenset())}


def answer_schema(operation: str, status: int, known: Known) -> Json | None:
    """The body of an answer with this status; None if it has no such answer."""
    if f"answers {status}" in OPERATIONS[operation]:
        shapes = OPERATIONS[operation][f"answers {status}"]
    elif not known.isdisjoint({f"HTTP {status}: {of}" for of in (operation, operation.split(maxsplit=1)[0], "any")}):
        shapes = None
    else:
        return None
    message = {"type": "string"}
    given = {"properties": {"response": _response(shapes, known), "message": _nullable(message, known)}}
    refused = {"properties": {"response": {"type": "null"}, "message": message}}
    if "a refusal has no response" not in known:
        refused = given
    return {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": {}, "response": {}},
        "required": ["code", "message", "response"],
        "additionalProperties": False,
        "if": {"properties": {"code": {"const": 0}}},
        "then": given if shapes else False,
        "else": refused if shapes else {"properties": {"response": {"type": "null"}}},
        "$defs": definitions(known),
    }


def _response(shapes: list[str] | None, known: Known) -> Json:
    forms: list[Json] = []
    for name in shapes or ():
        if not name.startswith("["):
            forms.append({"$ref": f"#/$defs/{name}"})
            continue
        rows = {"type": "array", "items": {"$ref": f"#/$defs/{name.strip('[]')}"}}
        forms.append(rows)
        if name == "[ScheduleResultAnnotation]" and "lists of schedules are pages" in known:
            page = PAGE | {"list": rows}
            forms.append({"type": "object", "properties": page, "required": [*page], "additionalProperties": False})
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def definitions(known: Known) -> Json:
    """The shapes of records."""
    found: Json = {}
    for name, fields in FACTS["shapes"].items():
        required = [field for field, fact in fields.items() if fact.get("required")]
        if name == "PaymentPrepareAnnotation" and "a prepared amount is no page" in known:
            required = [field for field in required if field not in PAGE]
        properties = {field: field_schema(fact, known, field) for field, fact in fields.items()}
        if name == "PaymentAnnotation" and "answers may have new fields" in known:
            properties |= {field: {} for field in NEW_FIELDS}
        found[name] = {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
    return found


def field_schema(fact: Json, known: Known, name: str = "") -> Json:
    """One field."""
    if "shape" in fact:
        return {"$ref": f"#/$defs/{fact['shape']}"}
    schema: Json = {key: fact[key] for key in ("type",) if key in fact}
    if fact.get("of", "any") != "any":
        named = fact["of"][:1].isupper()
        schema["items"] = {"$ref": f"#/$defs/{fact['of']}"} if named else {"type": fact["of"]}
    if "longest" in fact and not (name == "merchant_uid" and "merchant_uid may be longer" in known):
        schema["maxLength"] = fact["longest"]
    if "values" in fact:
        schema["enum"] = [*fact["values"], *(one for one in BEYOND if f"{name} {one}" in known)]
        schema["type"] = [schema["type"], "null"] if None in fact["values"] else schema["type"]
    if name in ("amount", "cancel_amount") and "amounts may be texts" in known:
        return {"anyOf": [schema, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}]}
    return schema if fact.get("required") else _nullable(schema, known)


BEYOND = ("ready", "pending", "settling")
"""Values that a status may have although they are not listed."""


def _nullable(schema: Json, known: Known) -> Json:
    if "unset values are null" not in known or isinstance(schema["type"], list):
        return schema
    listed = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [schema["type"], "null"]} | listed
