"""The API's documentation in the browser, from files in a wheel: it works offline and loads no third-party resource."""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from billing_worker.web.errors import ErrorType, Refused

_FOLDER = files("fastapi_swagger") / "resources"
"""Swagger UI 5, which reads OpenAPI 3.1."""
_ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
_A_DAY = {"Cache-Control": "public, max-age=86400"}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Billing worker: HTTP API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """"use strict";
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
"""A file of its own, since the content policy allows no script inside the page."""

router = APIRouter(include_in_schema=False)


@router.get("/")
def go_to_docs() -> RedirectResponse:
    """Redirect to the documentation."""
    return RedirectResponse("/docs")


@router.get("/docs")
def page() -> HTMLResponse:
    """The documentation page."""
    return HTMLResponse(_PAGE)


@router.get("/docs/{name}")
def asset(name: str) -> Response:
    """A file that the page loads."""
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    if name not in _ASSETS:
        raise Refused(404, ErrorType.NOT_FOUND, "there is nothing at this address; see /docs")
    return FileResponse(str(_FOLDER / name), headers=_A_DAY)
