"""The facts in portone_v1.json are what scripts/portone_description.py keeps of the official description."""

import importlib.util
import json
from typing import Any

from tests.docs.markdown import ROOT
from tests.support.portone_schemas import FACTS

SCRIPT = ROOT / "scripts" / "portone_description.py"
SMALL: dict[str, Any] = {
    "paths": {
        "/payments/{imp_uid}": {
            "get": {
                "parameters": [
                    {"name": "imp_uid", "in": "path", "required": True, "type": "string", "description": "prose"},
                    {"name": "page", "in": "query", "type": "integer", "maxLength": "64"},
                    {"name": "sort", "in": "query", "type": "string", "enum": ["a", "b"]},
                    {"name": "extra", "in": "formData", "schema": {"$ref": "#/definitions/Extra"}},
                    {"name": "uids", "in": "formData", "type": "array", "schema": {"type": "string"}},
                ],
                "responses": {"200": {"schema": {"$ref": "#/definitions/One"}}, "404": {"description": "prose"}},
            }
        },
        "/payments/{imp_uid}/naver/ship": {"post": {"responses": {}}},
        "/vbanks": {"post": {"responses": {}}},
    },
    "definitions": {
        "Extra": {"properties": {"until": {"type": "string", "maxLength": "8"}}},
        "One": {"allOf": [{"properties": {"code": {}}}, {"properties": {"response": {"$ref": "#/definitions/Row"}}}]},
        "Row": {
            "required": ["status", "missing"],
            "properties": {
                "status": {"type": "string", "x-portone-description": "prose\n- null : none\n- paid : done"},
                "parts": {"type": "array", "items": {"$ref": "#/definitions/Extra"}},
            },
        },
        "Unused": {"properties": {}},
    },
}


def reduced() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("portone_description", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return json.loads(script.written(SMALL, "0" * 64))


def test_facts_are_kept_and_prose_is_not() -> None:
    facts = reduced()
    assert facts["operations"] == {
        "GET /payments/{imp_uid}": {
            "takes imp_uid": {"in": "path", "type": "string", "required": True},
            "takes page": {"in": "query", "type": "integer"},
            "takes sort": {"in": "query", "type": "string", "values": ["a", "b"]},
            "takes extra": {"in": "body", "shape": "Extra"},
            "takes uids": {"in": "body", "type": "array", "of": "string"},
            "answers 200": ["Row"],
            "answers 404": None,
        }
    }
    assert facts["shapes"] == {
        "Extra": {"until": {"type": "string", "longest": 8}},
        "Row": {
            "status": {"type": "string", "values": [None, "paid"], "required": True},
            "parts": {"type": "array", "of": "Extra"},
            "missing": {"required": True},
        },
    }
    assert "prose" not in json.dumps(facts)


def test_the_kept_facts_name_their_source() -> None:
    assert set(FACTS) == set(reduced())
    assert FACTS["source"].startswith("portone-io/developers.portone.io")
    assert len(FACTS["sha256"]) == 64
    assert len(FACTS["operations"]) == 29
