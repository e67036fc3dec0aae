"""A pytest plugin for the copies: writes down which code was imported and which tests failed in their own body."""

import json
import os
from pathlib import Path
from typing import Any

import billing_worker

REPORT = "PLANTED_REPORT"
"""Names the file to write."""

_failed: list[str] = []


def pytest_runtest_logreport(report: Any) -> None:
    """Note a test that failed, as opposed to one that could not be set up."""
    if report.when == "call" and report.failed:
        _failed.append(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write it all down."""
    seen = {"imported": billing_worker.__file__, "failed": _failed}
    Path(os.environ[REPORT]).write_text(json.dumps(seen), encoding="utf-8")
