"""Procfile and docker-compose.yml, read as the programs read them that run them."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
PROCFILE_TEXT = (ROOT / "Procfile").read_text()
DOCKERFILE_TEXT = (ROOT / "Dockerfile").read_text()

SERVERS = ("postgres", "redis")
PROCESSES = ("web", "worker", "beat", "flower")

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?P<rest>[^}]*)\}")


def compose() -> dict[str, Any]:
    """The file with its anchors and merges resolved, and nothing filled in."""
    return yaml.safe_load(COMPOSE_TEXT)


def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]


def procfile() -> dict[str, list[str]]:
    """Each process and its command line."""
    return {name: shlex.split(line) for name, line in re.findall(r"^(\w+): (.+)$", PROCFILE_TEXT, re.MULTILINE)}


def variables(text: str) -> dict[str, str]:
    """The variables that compose fills in, and what follows the name: `:?message`, `:-default` or nothing."""
    return {found["name"]: found["rest"] for found in _VARIABLE.finditer(text)}


def filled_in(text: str, values: dict[str, str]) -> str:
    """The text as compose hands it on: variables replaced, `$$` turned into `$`."""
    return _VARIABLE.sub(lambda found: values[found["name"]], text).replace("$$", "$")


def seconds(duration: str) -> float:
    """A duration such as 80s or 1m30s."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    parts = re.findall(r"(\d+)([hms])", duration)
    assert "".join(number + unit for number, unit in parts) == duration
    return sum(int(number) * units[unit] for number, unit in parts)
