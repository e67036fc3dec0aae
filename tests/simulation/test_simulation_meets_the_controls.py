"""Random runs meet the pause, the turns of PGs and the spread: otherwise they would prove nothing about them."""

from collections import Counter

import pytest

from billing_worker.domain.stop import StopCause
from billing_worker.simulation.fleet.fleet import LIMITED
from billing_worker.simulation.fleet.swarm import Options
from billing_worker.simulation.run import Run

pytestmark = pytest.mark.long

SEEDS = (0, 8, 11)


def test_some_seeds_pause_charging_limit_a_pg_and_spread_renewals() -> None:
    met: Counter[str] = Counter()
    for seed in SEEDS:
        run = Run(Options.drawn(seed, 20, 2))
        try:
            assert run.verdict().breach is None
            pauses = [row for row in run.store.stops.rows.values() if row.cause is StopCause.GATEWAY]
            met["pauses"] += len(pauses)
            assert all(row.closed_at is not None for row in pauses)
            met["turns"] += LIMITED in run.store.pg_turns.table.rows
            met["spread"] += run.options.spread_hours > 0
        finally:
            run.close()
    assert min(met[each] for each in ("pauses", "turns", "spread")) > 0
