"""A broker that is away is one line when it goes, one a minute, and one when it is back."""

from typing import Any

from billing_worker.runtime.outage import Outage


def _lines() -> tuple[list[dict[str, Any]], Any]:
    lines: list[dict[str, Any]] = []
    return lines, lambda event, **facts: lines.append({"event": event, **facts})


def test_an_outage_is_told_once_a_minute_with_what_was_lost() -> None:
    told, tell = _lines()
    outage, error = Outage(tell), ConnectionError("refused\nand more")
    outage.over(0.0)
    for second in range(150):
        outage.lose(error, float(second))
    outage.over(150.0)
    outage.over(151.0)
    assert [(line["event"], line["seconds"], line["rings_lost"]) for line in told] == [
        ("broker.away", 0, 0),
        ("broker.away", 60, 60),
        ("broker.away", 120, 120),
        ("broker.back", 150, 150),
    ]
    assert told[0]["reason"] == "refused"


def test_a_second_outage_counts_from_its_own_beginning() -> None:
    told, tell = _lines()
    outage = Outage(tell)
    outage.lose(ConnectionError("one"), 10.0)
    outage.over(20.0)
    outage.failed(TimeoutError("two"), 30.0)
    outage.over(31.0)
    assert [(line["event"], line["seconds"], line["rings_lost"]) for line in told] == [
        ("broker.away", 0, 0),
        ("broker.back", 10, 1),
        ("broker.away", 0, 0),
        ("broker.back", 1, 0),
    ]
