"""The wheel that the Dockerfile builds: built by the same command, complete, and at work without the source tree.

That requirements/production.txt installs from the registry with hashes needs a network, and is left to the image.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deployment.files import DOCKERFILE_TEXT, ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

BUILD = "python -m hatchling build --target wheel"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as in the image: from the files that the Dockerfile copies, and from no other."""
    folder = tmp_path_factory.mktemp("build")
    hidden = shutil.ignore_patterns("__pycache__")
    for names in re.findall(r"^COPY (?!--from)(?!requirements)(.+) \S+$", DOCKERFILE_TEXT, re.MULTILINE):
        for name in names.split():
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=hidden)
            else:
                shutil.copy(source, folder / name)
    assert BUILD in DOCKERFILE_TEXT
    subprocess.run([sys.executable, *BUILD.split()[1:]], cwd=folder, check=True, capture_output=True, timeout=120)
    (built,) = (folder / "dist").glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_both_packages_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "billing-worker = billing_worker.cli.main:run" in archive.read(entry_points).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    files = [path for package in ("billing_worker", "tasks") for path in (ROOT / package).rglob("*") if path.is_file()]
    assert names == {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}


def test_the_installed_wheel_migrates_a_database_without_the_source_tree(wheel, empty_database_url, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", site, wheel], check=True, capture_output=True, timeout=100
    )
    environment = dict(os.environ) | {"PYTHONPATH": str(site), "BILLING_DATABASE_URL": empty_database_url}

    def run(*words: str) -> str:
        argv = [sys.executable, *words]
        done = subprocess.run(
            argv, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    where = "from importlib.util import find_spec as f; print(f('billing_worker').origin, f('tasks').origin)"
    assert run("-c", where).count(str(site)) == 2
    assert run("-m", "billing_worker", "--version").startswith("billing-worker ")
    assert run("-m", "billing_worker", "db", "upgrade").startswith("Migrated the database: empty -> ")
