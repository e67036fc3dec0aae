"""The default token of the HTTP API: made at the first start, and kept in a file that only its owner can read."""

import os
import secrets
from pathlib import Path

import typer
from pydantic import SecretStr

from billing_worker.config import Settings
from billing_worker.domain.errors import SettingsInvalid

FILE = "api-token"


def with_token(settings: Settings) -> Settings:
    """The settings with a token: the one that is set, else the one in the file. A new one is printed once.

    Raises SettingsInvalid if the file cannot be written, or if others may read it.
    """
    if settings.api_token is not None:
        return settings
    path = settings.var_dir / FILE
    try:
        token = _read(path) or _make(path)
    except OSError as error:
        problem = f"is not set, and a new one cannot be stored in {path}: {error.strerror}"
        raise SettingsInvalid(f"BILLING_API_TOKEN: {problem}; set it to a long random text") from error
    return settings.model_copy(update={"api_token": SecretStr(token)})


def where_token_is(settings: Settings) -> str:
    """The place of the token that may do everything. Raises SettingsInvalid for an unusable file."""
    if settings.api_token is not None:
        return "BILLING_API_TOKEN"
    path = settings.var_dir / FILE
    return str(path) if _read(path) else f"made at the first start of `web`, in {path}"


def _read(path: Path) -> str | None:
    """Raises SettingsInvalid for a file that others may read, or that is empty."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            token = file.read().strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise SettingsInvalid(f"BILLING_API_TOKEN: {path} holds no text; remove it, and a new token is made") from error
    if mode & 0o077:
        raise SettingsInvalid(f"BILLING_API_TOKEN: others may read {path}; run: chmod 600 {path}")
    if not token:
        raise SettingsInvalid(f"BILLING_API_TOKEN: {path} is empty; remove it, and a new token is made")
    return token


def _make(path: Path) -> str:
    """Write a new one, whole or not at all. Two processes that start at once use the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    # A random name, not the process id: containers share ids, and a draft left by a crash would be in the way.
    draft = path.with_name(f".{FILE}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(token + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return _read(path) or token
    finally:
        draft.unlink()
    typer.echo(f"API token: {token}")
    typer.echo(f"It is stored in {path}, and not shown again. Send it as: Authorization: Bearer TOKEN")
    return token
