"""V1 client libraries of others are locked by hash, without hosts of registries, at the versions in the docs."""

import json
import re
from pathlib import Path

from tests.docs.markdown import ROOT

HERE = Path(__file__).parent / "v1"
PAGE = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")


def documented(registry: str) -> dict[str, str]:
    """Library and version, from the table of docs/sandbox.md."""
    rows = [row for row in PAGE.splitlines() if row.startswith(f"| {registry}: ")]
    return dict(pair for row in rows for pair in re.findall(r"`([\w-]+)` ([\d.]+)", row))


def test_libraries_from_npm_are_locked_by_their_content() -> None:
    packages = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = packages.pop("")["dependencies"]
    assert wanted == json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert wanted == documented("npm")
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())


def test_libraries_from_pypi_are_locked_by_their_content() -> None:
    wanted = dict(line.split("==") for line in (HERE / "requirements.in").read_text(encoding="utf-8").split())
    locked = (HERE / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    versions = dict(line.split()[0].split("==") for line in locked)
    assert wanted == documented("PyPI")
    assert wanted.items() <= versions.items()
    assert all("--hash=sha256:" in line for line in locked)
    assert "://" not in "".join(locked)
