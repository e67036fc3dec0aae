"""Make each mistake in a copy of the sources and see whether the suite notices.

python -m tests.planted [--every N] [NAME …]
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.planted.bug import Bug
from tests.planted.bugs import BUGS
from tests.planted.ground import FAILED, Run, copied, run_tests
from tests.support.servers import Servers

AT_ONCE = 2


@dataclass(frozen=True)
class Verdict:
    """Whether a bug was caught; if not, why."""

    bug: Bug
    trouble: str
    seconds: float


def main(names: Sequence[str], every: int = 1) -> int:
    """Plant the named bugs, or every N-th of all; exit status 1 if one survives or the tests fail without any."""
    if unknown := set(names) - {bug.name for bug in BUGS}:
        print(f"no such bug: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    chosen = [bug for bug in BUGS if bug.name in names] if names else BUGS[::every]
    began = time.monotonic()
    with Servers() as servers, ThreadPoolExecutor(AT_ONCE) as pool:
        url = servers.database_url()
        if not _all_pass_unchanged(pool, chosen, url):
            return 1
        verdicts = []
        for done in as_completed([pool.submit(_plant, bug, url) for bug in chosen]):
            verdicts.append(done.result())
            _say_progress(verdicts[-1], len(verdicts), len(chosen))
    return _conclude(verdicts, time.monotonic() - began)


def _all_pass_unchanged(pool: ThreadPoolExecutor, bugs: Sequence[Bug], url: str) -> bool:
    """The catchers must pass where there is no mistake: else their failing says nothing."""
    catchers = sorted({catcher for bug in bugs for catcher in bug.catchers})
    halves = [half for half in (catchers[::2], catchers[1::2]) if half]
    runs = list(pool.map(lambda half: _in_copy(half, url, None), halves))
    for run in runs:
        if run.status != 0:
            how = "do not end in time" if run.status is None else "fail"
            print(f"the catchers {how} on the unchanged copy:\n{run.output}", flush=True)
            return False
        print(f"unchanged: imported {run.imported}", flush=True)
    print(f"unchanged: {len(catchers)} catchers pass", flush=True)
    return True


def _plant(bug: Bug, url: str) -> Verdict:
    try:
        run = _in_copy(bug.catchers, url, bug)
    except ValueError as error:
        return Verdict(bug, str(error), 0.0)
    unnoticed = [catcher for catcher in bug.catchers if not run.noticed_by(catcher)]
    trouble = ""
    if run.status != FAILED:
        trouble = f"pytest ended with {run.status}, not with {FAILED}:\n{run.output[-2000:]}"
    elif unnoticed:
        trouble = f"not noticed by {', '.join(unnoticed)}"
    return Verdict(bug, trouble, run.seconds)


def _in_copy(tests: Sequence[str], url: str, bug: Bug | None) -> Run:
    with copied() as copy:
        for edit in bug.edits if bug else ():
            edit.apply(copy)
        run = run_tests(copy, tests, url)
    if run.imported and not Path(run.imported).is_relative_to(copy):
        raise ValueError(f"the tests ran on {run.imported}, not on the copy in {copy}")
    return run


def _say_progress(verdict: Verdict, number: int, total: int) -> None:
    word = "SURVIVED" if verdict.trouble else "caught"
    print(f"[{number}/{total}] {word} {verdict.bug.name} ({verdict.seconds:.1f} s)", flush=True)
    if verdict.trouble:
        print(f"    {verdict.trouble}", flush=True)


def _conclude(verdicts: Sequence[Verdict], seconds: float) -> int:
    survived = [verdict for verdict in verdicts if verdict.trouble]
    print("\n| bug | the mistake | caught by | seconds |\n|---|---|---|---|")
    for verdict in sorted(verdicts, key=lambda verdict: verdict.bug.name):
        bug = verdict.bug
        catchers = "SURVIVED" if verdict.trouble else "<br>".join(f"`{catcher}`" for catcher in bug.catchers)
        print(f"| {bug.name} | {bug.mistake} | {catchers} | {verdict.seconds:.1f} |")
    print(f"\n{len(verdicts) - len(survived)} of {len(verdicts)} planted bugs were caught, in {seconds:.0f} s.")
    return 1 if survived else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="plant only these; all without a name")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="plant every N-th bug only")
    return parser.parse_args()


if __name__ == "__main__":
    asked = _asked()
    sys.exit(main(asked.names, max(1, asked.every)))
