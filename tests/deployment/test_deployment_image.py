"""The wheel that the Dockerfile builds: built by the same command, complete, and at work without the source tree.

That requirements/production.txt installs from the registry with hashes needs a network, and is left to the image.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from billing_worker.cli.simulate import NO_SIMULATION
from tests.deployment.files import DOCKERFILE_TEXT, ROOT

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(600)]

BUILD = "python -m hatchling build --target wheel"
LEFT_OUT = "billing_worker/simulation/"
"""For those who change the worker: docs/decisions/0025."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the Dockerfile copies, and no other."""
    folder = tmp_path_factory.mktemp("build")
    hidden = shutil.ignore_patterns("__pycache__")
    for names in re.findall(r"^COPY (?!--from)(?!requirements)(.+) \S+$", DOCKERFILE_TEXT, re.MULTILINE):
        for name in names.split():
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=hidden)
            else:
                shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    """Built as in the image."""
    assert BUILD in DOCKERFILE_TEXT
    subprocess.run([sys.executable, *BUILD.split()[1:]], cwd=folder, check=True, capture_output=True, timeout=120)
    (built,) = (folder / "dist").glob("*.whl")
    return built


def files_of_both_packages() -> set[str]:
    files = [path for package in ("billing_worker", "tasks") for path in (ROOT / package).rglob("*") if path.is_file()]
    return {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}


def test_the_wheel_holds_every_file_of_both_packages_but_the_simulation_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "billing-worker = billing_worker.cli.main:run" in archive.read(entry_points).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    simulation = {name for name in files_of_both_packages() if name.startswith(LEFT_OUT)}
    assert len(simulation) > 30
    assert names == files_of_both_packages() - simulation


def test_the_sdist_holds_the_simulation_too(folder):
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    (built,) = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert files_of_both_packages() <= names


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed, far from the source tree."""
    site = tmp_path_factory.mktemp("installed") / "site"
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", site, wheel], check=True, capture_output=True, timeout=100
    )
    return site


def test_the_installed_wheel_migrates_a_database_without_the_source_tree(site, empty_database_url, tmp_path):
    environment = dict(os.environ) | {"PYTHONPATH": str(site), "BILLING_DATABASE_URL": empty_database_url}

    def run(*words: str) -> str:
        argv = [sys.executable, *words]
        done = subprocess.run(
            argv, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=200
        )
        return done.stdout

    where = "from importlib.util import find_spec as f; print(f('billing_worker').origin, f('tasks').origin)"
    assert run("-c", where).count(str(site)) == 2
    assert run("-m", "billing_worker", "--version").startswith("billing-worker ")
    assert run("-m", "billing_worker", "db", "upgrade").startswith("Migrated the database: empty -> ")


def test_the_installed_wheel_says_in_one_line_where_the_simulation_is(site, tmp_path):
    argv = [sys.executable, "-m", "billing_worker", "simulate"]
    environment = dict(os.environ) | {"PYTHONPATH": str(site)}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode != 0
    assert done.stderr.splitlines() == [f"billing-worker: {NO_SIMULATION}"]
