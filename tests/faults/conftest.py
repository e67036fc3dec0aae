"""Where scenarios of faults are run, and the numbers that such a run prints."""

from collections import Counter

import pytest

from tests.support.databases import Databases
from tests.support.pairs import Laboratory, Tally
from tests.support.sandbox import Sandbox
from tests.support.schedule_stories import ScheduleLaboratory

NUMBERS = ("singles", "pairs", "faults fired", "violations")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Only where this folder is named on the command line."""
    parser.addoption("--scenario", help='one scenario of faults: "ok 3:crash_before 7:held_after"')


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say how far a run of many batches is."""
    numbers = dict(report.user_properties)
    if report.when == "call" and NUMBERS[0] in numbers:
        shown = ", ".join(f"{numbers[name]} {name}" for name in NUMBERS)
        print(f"\n{report.nodeid.rpartition('[')[2].rstrip(']')}: {shown}, {report.duration:.0f} s", flush=True)  # noqa: T201 - the progress of a long run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line with the numbers of all batches together."""
    total: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                total.update({name: n for name, n in report.user_properties if name in NUMBERS})
    if total:
        terminalreporter.write_line("exhaustive: " + ", ".join(f"{total[name]:,} {name}" for name in NUMBERS))


@pytest.fixture(scope="session")
def laboratory(databases: Databases, shared_sandbox: Sandbox) -> Laboratory:
    """Runs scenarios, a fresh database a batch."""
    return Laboratory(databases, shared_sandbox)


@pytest.fixture(scope="session")
def schedules(laboratory: Laboratory) -> ScheduleLaboratory:
    """Runs the stories of subscriptions that PortOne's schedule collects."""
    return ScheduleLaboratory(laboratory.databases, laboratory.sandbox)


@pytest.fixture
def note(record_property):
    """Hands the numbers of a batch to the two functions above."""

    def numbers(singles: int, tally: Tally) -> None:
        found = (singles, tally.scenarios - singles, tally.fired.total(), len(tally.wrong))
        for name, number in zip(NUMBERS, found, strict=True):
            record_property(name, number)

    return numbers
