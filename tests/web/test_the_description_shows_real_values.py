"""Who reads the description sees what goes in and what comes out: an example everywhere, and each of them fits."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from web_helpers import Web

from billing_worker.web.examples import exemplify, says_it_itself


def operations(web: Web) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in web.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def fits(value: Any, schema: dict[str, Any], web: Web) -> bool:
    whole = {**schema, "components": web.app.openapi()["components"]}
    return bool(jsonschema_rs.validator_for(whole, validate_formats=True).is_valid(value))


def test_every_operation_and_each_of_its_parameters_is_described(web: Web) -> None:
    for name, operation in operations(web):
        assert operation["description"].strip(), name
        for parameter in operation.get("parameters", []):
            assert parameter["description"].strip(), (name, parameter["name"])


def test_every_body_that_is_sent_has_an_example_that_fits(web: Web) -> None:
    schemas, shown = web.app.openapi()["components"]["schemas"], 0
    for name, operation in operations(web):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if "$ref" not in body:
            continue
        schema = schemas[body["$ref"].rpartition("/")[2]]
        assert fits(schema["example"], schema, web), name
        shown += 1
    assert shown >= 10


def test_every_field_says_what_may_stand_in_it_and_each_example_fits(web: Web) -> None:
    for name, schema in web.app.openapi()["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            assert says_it_itself(described), (name, field)
            for example in described.get("examples", []):
                assert fits(example, described, web), (name, field, example)


def test_a_field_without_an_example_ends_the_start_of_the_tests() -> None:
    with pytest.raises(LookupError, match="unheard_of has no example"):
        exemplify({"Thing": {"properties": {"unheard_of": {"type": "string"}}}})
