"""Clients that are generated from the API's description create every kind of plan.

The generators are installed for the test alone, from the registries that pip and npm know here: they want other
versions of libraries than the worker does. Where a registry or Node.js is missing the test is skipped, and says so;
under continuous integration it fails.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from installing import environment, install, missing, run
from web_calls import TOKEN
from web_helpers import Web

HERE = Path(__file__).parent
PYTHON = ("openapi-python-client==0.29.1",)
NODE = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3", "@types/node@20.19.24")
PLANS = ["every 3 months", "every day", "every month", "every week", "every year", "month end", "weekdays"]

pytestmark = [pytest.mark.long, pytest.mark.nightly]


def describe(web: Web, folder: Path) -> None:
    answer = web.api.get("/openapi.json")
    (folder / "openapi.json").write_bytes(answer.content)


def judge(web: Web, printed: str) -> None:
    told: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    assert told["plans"] == PLANS
    assert (told["field"], told["customer"]) == ("name", "user-1")
    rows = web.rows("SELECT name, cron, interval_unit, interval_count FROM plans ORDER BY name")
    assert {row["name"]: row["cron"] for row in rows if row["cron"]} == {
        "month end": "0 9 L * *",
        "weekdays": "0 9 * * 1-5",
    }
    assert web.count("subscriptions") == 1


def test_a_python_client_creates_every_kind_of_plan(served: Web, tmp_path: Path) -> None:
    describe(served, tmp_path)
    python = environment(tmp_path, *PYTHON)
    generate = [str(tmp_path / "env" / "bin" / "openapi-python-client"), "generate", "--path", "openapi.json"]
    (tmp_path / "generator.yml").write_text("post_hooks: []")  # it formats with a tool that is not there
    options = ["--output-path", "client", "--meta", "none", "--config", "generator.yml", "--fail-on-warning"]
    said = run([*generate, *options], tmp_path)
    assert "warning" not in said.lower()
    (tmp_path / "client").rename(tmp_path / "billing_worker_client")
    script = shutil.copy(HERE / "create_every_plan.py", tmp_path)
    judge(served, run([python, str(script), served.url, TOKEN], tmp_path))


def test_a_typescript_client_creates_every_kind_of_plan(served: Web, tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        missing("Node.js and npm are not installed here")
    describe(served, tmp_path)
    (tmp_path / "package.json").write_text('{"private": true}')
    install(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", *NODE], tmp_path)
    run(["npx", "openapi-typescript", "openapi.json", "-o", "schema.d.ts"], tmp_path)
    script = shutil.copy(HERE / "create_every_plan.ts", tmp_path)
    strict = ["--strict", "--target", "es2022", "--module", "node16", "--moduleResolution", "node16", "--skipLibCheck"]
    run(["npx", "tsc", *strict, str(script)], tmp_path)
    judge(served, run(["node", "create_every_plan.js", served.url, TOKEN], tmp_path))
