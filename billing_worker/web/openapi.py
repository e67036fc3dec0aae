"""The API's description in OpenAPI 3.0: Swagger UI 4, the newest in a wheel, refuses 3.1, which FastAPI writes."""

from typing import Any

from fastapi import FastAPI

from billing_worker import __version__
from billing_worker.web.security import is_guarded

DESCRIPTION = """
Charges stored billing keys on time, once a period, and says why when it did not.

Amounts are whole numbers of minor units: won for KRW, cents for USD. Times are ISO 8601 with an offset.
Every answer with status 400 or more has the same body: `{"error": {"type", "field", "message"}}`.

`/v1` and `/metrics` want the bearer token; where none is set, only programs on the same machine are served.
"""


class DescribedApp(FastAPI):
    """A FastAPI application that describes itself in version 3.0."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            schema: dict[str, Any] = downgraded(super().openapi())
            schema["openapi"] = "3.0.3"
            schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            for path, operations in schema["paths"].items():
                for operation in operations.values():
                    if is_guarded(path):
                        operation["security"] = [{"token": []}]
                    else:
                        # FastAPI adds its own 422 wherever a parameter could be wrong; here it is a 400 or a 404.
                        operation["responses"].pop("422", None)
            for unused in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(unused, None)
            self.openapi_schema = schema
        return self.openapi_schema


def new_app(**options: Any) -> DescribedApp:
    """An application without the framework's own documentation pages, which load scripts from elsewhere."""
    return DescribedApp(
        title="Billing worker",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat whatever Host the caller claimed
        generate_unique_id_function=lambda route: route.name,
        **options,
    )


def downgraded(node: Any) -> Any:
    """The same schema in the words of 3.0: `nullable` for the type null, `enum` for const."""
    if isinstance(node, list):
        return [downgraded(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: downgraded(value) for key, value in node.items()}
    options = node.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        del node["anyOf"]
        only = rest[0] if len(rest) == 1 else {"anyOf": rest}
        node = ({"allOf": [only]} if "$ref" in only else only) | node | {"nullable": True}
    if "const" in node:
        node["enum"] = [node.pop("const")]
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(node.get(exclusive), int | float) and not isinstance(node[exclusive], bool):
            node[bound], node[exclusive] = node[exclusive], True
    if isinstance(node.get("examples"), list) and node["examples"]:
        node["example"] = node.pop("examples")[0]
    return node
