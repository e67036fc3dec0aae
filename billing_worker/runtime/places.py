"""Choose a folder that a server account can reach, if it cannot enter the requested one."""

import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

from billing_worker.runtime import files
from billing_worker.runtime.accounts import Account, can_enter
from billing_worker.runtime.errors import RuntimeProblem

_NAME = "billing-worker"
_POINTER = "location"  # in the requested folder: names the place used instead


def home_for(directory: Path, *, durable: bool) -> Path:
    """Return the folder that holds the data of `directory`: itself, or the place that `choose_home` noted in it.

    Raises RuntimeProblem when the noted place is gone: an empty database must not take its place unasked.
    """
    noted = files.read_or_none(directory / _POINTER)
    if noted is None:
        return directory
    if not Path(noted).is_dir() and durable:
        raise RuntimeProblem(
            f"the data of {directory} were in {noted}, which is gone: restore that folder, "
            f"or remove {directory / _POINTER} to begin with an empty database"
        )
    return Path(noted) if Path(noted).is_dir() else directory


def choose_home(directory: Path, account: Account | None, *, durable: bool) -> Path:
    """Return a folder for new data that `account` can reach, and note it in `directory` when it is another one."""
    pointer = directory / _POINTER
    if account is None or can_enter(directory, account):
        pointer.unlink(missing_ok=True)
        return directory
    temporary = Path(tempfile.gettempdir())
    place = shared_place(Path("/var/lib"), temporary) if durable else shared_place(temporary)
    # The random part: after `rm -r` of the requested folder, the same path starts with new data.
    digest = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    home = place / f"data-{digest}-{secrets.token_hex(4)}"
    home.mkdir(mode=0o711)
    home.chmod(0o711)
    if not can_enter(home, account):
        home.rmdir()
        raise RuntimeProblem(
            f"the account `{account.name}` can reach neither {directory} nor {place}: make one of them passable "
            f"(chmod o+x), start as an ordinary user, or set BILLING_DATABASE_URL"
        )
    files.write_private(pointer, f"{home}\n")
    return home


def shared_place(*parents: Path) -> Path:
    """Return our folder below the first usable one of `parents`; every account may pass through it.

    In a world-writable folder, another account could have made ours first. Such a folder is refused.
    """
    reason = ""
    for parent in parents:
        place = parent / (_NAME if parent == Path("/var/lib") else f"{_NAME}-{os.geteuid()}")
        try:
            place.mkdir(mode=0o755, exist_ok=True)
            state = place.lstat()
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
                reason = f"{place} exists and is not safely ours"
                continue
            place.chmod(0o755)  # past the umask
        except OSError as error:
            reason = f"{place}: {error.strerror}"
            continue
        if os.access(place, os.W_OK):
            return place
    raise RuntimeProblem(f"found no folder that the server account can reach ({reason}): start as an ordinary user")
