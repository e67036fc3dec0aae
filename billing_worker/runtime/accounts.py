"""Choose the account of a server. PostgreSQL refuses to run as root, and this package never creates accounts."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from billing_worker.runtime.errors import RuntimeProblem

_UNPRIVILEGED = ("postgres", "nobody")  # in the order of choice


@dataclass(frozen=True)
class Account:
    """An existing, unprivileged account."""

    name: str
    uid: int
    gid: int


def account_for(data: Path) -> Account | None:
    """Return the account that a server over `data` must run under, or None for "as we are".

    Only root changes the account: to the owner of existing data, so that both can start the server in turn, else to
    `postgres` or `nobody`. Raises RuntimeProblem when the data belong to another user and we are not root, or when no
    account fits.
    """
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner != os.geteuid():
            raise RuntimeProblem(f"{data} belongs to {_name(owner)}: start as that user or as root, or remove it")
        return None
    if owner:
        try:
            group = pwd.getpwuid(owner).pw_gid
        except KeyError:
            group = data.stat().st_gid
        return Account(_name(owner), owner, group)
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise RuntimeProblem(
        "PostgreSQL refuses to run as root and there is no account `postgres` or `nobody`: "
        "start as an ordinary user, or set BILLING_DATABASE_URL"
    )


def run_as(argv: list[str], account: Account | None) -> subprocess.CompletedProcess[str] | None:
    """Run a short command under `account` and return its output; None when it could not be run at all."""
    identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    try:
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            argv, cwd="/", env={"LC_ALL": "C"}, capture_output=True, text=True, check=False, timeout=30, **identity
        )
    except (OSError, subprocess.SubprocessError):
        return None


def can_enter(directory: Path, account: Account | None) -> bool:
    """Whether the account can enter the directory. The system answers, since it knows ACLs and mounts."""
    answer = run_as(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)], account)
    return answer is not None and answer.returncode == 0


def give_to(path: Path, account: Account | None) -> None:
    """Make `account` the owner of everything under `path` (as root; a no-op for ordinary users)."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid, follow_symlinks=False)
    for folder, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.chown(Path(folder, name), account.uid, account.gid, follow_symlinks=False)


def _name(uid: int) -> str:
    try:
        return f"`{pwd.getpwuid(uid).pw_name}`"
    except KeyError:
        return f"user id {uid}"
