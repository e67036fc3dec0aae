"""How much a database grows in a year: month after month of charges, with the upkeep that deletes what has its time.

    make bench-growth      or: .venv/bin/python benchmarks/growth.py --subscriptions 1500 --months 12

Charges monthly subscriptions through as many months, on a clock that is moved, with the gateway's answers, events and
webhooks of real size and the default retention settings. After each month upkeep runs, and PostgreSQL vacuums. The
additions of the last three months stay for ever; what a month writes beyond them is deleted again after its time.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from bytes import charge, portfolio, sizes_of

from billing_worker.cli.session import quiet_logs
from billing_worker.domain.moment import Moment
from billing_worker.domain.retention import Retention
from billing_worker.ports.bundle import Ports
from billing_worker.runtime import EmbeddedPostgres
from billing_worker.usecases.incoming import tidy
from billing_worker.usecases.jobs import CHUNK
from billing_worker.usecases.notice import deliver as notices
from billing_worker.usecases.outgoing import deliver

MONTH = timedelta(days=365 / 12)
COUNTED = 3
"""The last months, whose additions stay for ever: their texts replace those that go after 90 days."""
FIRST_FULL = 2
"""In this month nothing is deleted yet, so that its additions are what charges write."""
SUBSCRIPTIONS = 100_000
CHARGES_A_YEAR = 12 * SUBSCRIPTIONS
ROUNDS = 10
GB = 1e9


class _MovedClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC) - timedelta(days=3650)

    def moment(self) -> Moment:
        """Now."""
        return Moment(self.now, self.now)


@dataclass(frozen=True)
class Growth:
    """Bytes a charge, of one table with its indexes."""

    written: int
    stays: int

    @property
    def a_year(self) -> float:
        """GB that 100,000 monthly subscriptions add each year."""
        return self.stays * CHARGES_A_YEAR / GB

    @property
    def at_once(self) -> float:
        """GB that are there at any time, and do not grow: what is written and deleted after 90 days."""
        share = Retention().evidence / timedelta(days=365)
        return max(0, self.written - self.stays) * CHARGES_A_YEAR * share / GB


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscriptions", type=int, default=1_500, help="how many (default 1,500)")
    parser.add_argument("--months", type=int, default=12, help="how many, at least 8 (default 12)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    quiet_logs()
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-bench-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    try:
        found = measured(server.start(), options.subscriptions, max(8, options.months))
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps({table: vars(each) for table, each in found.items()}, indent=2))
    else:
        print("\n".join(_table(found)))
    return 0


def measured(url: str, subscriptions: int, months: int) -> Mapping[str, Growth]:
    """What a charge writes and what of it stays, by table."""
    clock = _MovedClock()
    engine, ports, made = portfolio(url, subscriptions, clock)
    seen: list[dict[str, int]] = []
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for _ in range(months):
            charge(ports, made, CHUNK)
            _keep_up(ports)
            connection.execute("VACUUM ANALYZE")
            seen.append(sizes_of(connection))
            clock.now += MONTH + timedelta(days=1)  # no month is longer
    engine.dispose()
    first, last = seen[FIRST_FULL - 1], seen[-1]

    def growth(table: str) -> Growth:
        written = (first[table] - seen[FIRST_FULL - 2][table]) // subscriptions
        stays = (last[table] - seen[-1 - COUNTED][table]) // (COUNTED * subscriptions)
        return Growth(written, stays)

    found = {table: growth(table) for table in last}
    return {table: each for table, each in found.items() if each.written > 0 or each.stays > 0}


def _keep_up(ports: Ports) -> None:
    """All that upkeep does in a month: each run is a bounded step."""
    for _ in range(ROUNDS):
        tidy.tidy(ports, tidy.INBOX)
        deliver.due(ports, 1)
        notices.due(ports, 1)


def _table(found: Mapping[str, Growth]) -> list[str]:
    """The lines of the table, the dearest first."""
    rows = sorted(found.items(), key=lambda own: (-own[1].stays, -own[1].written))
    rows.append(("all tables", Growth(sum(g.written for g in found.values()), sum(g.stays for g in found.values()))))
    head = (
        f"{'table, with its indexes':28} {'bytes a charge':>14} {'that stay':>10} {'GB a year':>10} {'GB beside':>10}"
    )
    lines = [f"{name:28} {g.written:14,} {g.stays:10,} {g.a_year:10.2f} {g.at_once:10.2f}" for name, g in rows]
    note = f"GB for {SUBSCRIPTIONS:,} monthly subscriptions; beside: what is deleted after 90 days, and does not grow."
    return [head, *lines, note]


if __name__ == "__main__":
    sys.exit(main())
