"""What came of it: the invariants against the gateway's own ledger, and the numbers that were asked for."""

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Engine

from tests.support.invariants import Books, Row, violations

DRAIN_SECONDS = 60.0
UNKNOWN_SECONDS = 120.0
AIM_P99 = 30.0
SHOWN = 40
"""Violations that are printed; the JSON has all."""


@dataclass
class Report:
    """Everything about one run."""

    seed: int
    minutes: float
    settings: dict[str, str]
    wanted_kills: int
    wanted_charges: int
    subscriptions: int = 0
    day_seconds: float = 0.0
    kills: dict[str, int] = field(default_factory=dict)
    acts: dict[str, int] = field(default_factory=dict)
    http_faults: dict[str, int] = field(default_factory=dict)
    lives: dict[str, int] = field(default_factory=dict)
    ended_by_themselves: dict[str, dict[int, int]] = field(default_factory=dict)
    charges: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    posts: int = 0
    invoices: dict[str, int] = field(default_factory=dict)
    acknowledged_webhooks: int = 0
    worker_kill_to_resolved: dict[str, float] = field(default_factory=dict)
    drained_seconds: float | None = None
    no_unknown_seconds: float | None = None
    standing: dict[str, int] = field(default_factory=dict)
    open_alerts: dict[str, int] = field(default_factory=dict)
    load_average: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @property
    def missed(self) -> list[str]:
        """Numbers that were asked for and not reached."""
        found = []
        if (kills := sum(self.kills.values())) < self.wanted_kills:
            found.append(f"{kills} kills, wanted {self.wanted_kills}")
        if self.charges < self.wanted_charges:
            found.append(f"{self.charges} charges, wanted {self.wanted_charges}")
        if self.drained_seconds is None or self.drained_seconds > DRAIN_SECONDS:
            found.append(f"drained in {_seconds(self.drained_seconds)} after healing, wanted {DRAIN_SECONDS:g} s")
        if self.no_unknown_seconds is None:
            found.append(f"not at rest {UNKNOWN_SECONDS:g} s after healing: {_shown(self.standing)}")
        return found

    @property
    def good(self) -> bool:
        """Nothing was violated and nothing missed."""
        return not self.violations and not self.missed

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"missed": self.missed, "good": self.good}

    def text(self) -> str:
        """For people."""
        times = self.worker_kill_to_resolved
        aim = "no call was under way" if not times.get("calls") else "met" if times["p99"] <= AIM_P99 else "MISSED"
        lines = [
            f"seed {self.seed}, {self.minutes:g} minutes",
            f"subscriptions {self.subscriptions}, a billing day in {self.day_seconds:g} s",
            f"settings: {_shown(self.settings)}",
            f"kills {sum(self.kills.values())}: {_shown(self.kills)}",
            f"acts {sum(self.acts.values())} of {len(self.acts)} kinds: {_shown(self.acts)}",
            f"requests that met an HTTP fault: {_shown(self.http_faults)}",
            f"charges in the gateway's ledger {self.charges}; calls to charge {self.posts}",
            f"attempts: {_shown(self.attempts)}; invoices: {_shown(self.invoices)}",
            f"webhooks acknowledged, and in the inbox: {self.acknowledged_webhooks}",
            f"lives: {_shown(self.lives)}; ended by themselves (by status): {_shown(self.ended_by_themselves)}",
            f"worker kill to resolved (aim p99 <= {AIM_P99:g} s: {aim}): {_shown(times)}",
            f"after healing: drained in {_seconds(self.drained_seconds)}; left: {_shown(self.standing)}",
            f"after healing: no open attempt in {_seconds(self.no_unknown_seconds)}",
            f"open alerts: {_shown(self.open_alerts) or 'none'}",
            f"load average before, at the end of the faults, after: {self.load_average}",
            f"violations: {len(self.violations)}",
            *(f"  {line}" for line in self.violations[:SHOWN]),
            *(f"MISSED: {line}" for line in self.missed),
            "GOOD" if self.good else "NOT GOOD",
        ]
        return "\n".join(lines)


def breaches(books: Books, acknowledged: set[str], posts: Mapping[str, int], *, at_rest: bool = True) -> list[str]:
    """Everything that must never be; what takes time to come right counts only at rest."""
    found = violations(books, at_rest=at_rest) + charged_twice(books) + lost_webhooks(books, acknowledged)
    found += charged_without_intent(books, posts) + told_wrongly(books)
    return found + open_attempts(books) if at_rest else found


def charged_twice(books: Books) -> list[str]:
    """Stricter than I1: this gateway refuses a paid id, so even a known and alerted second payment is one too many."""
    owner = {row["merchant_uid"]: row["invoice_id"] for row in books.rows("SELECT * FROM merchant_uids")}
    paid = Counter(owner.get(row["merchant_uid"], row["merchant_uid"]) for row in books.holding)
    return [f"I1: invoice {ident} holds {count} payments" for ident, count in paid.items() if count > 1]


def lost_webhooks(books: Books, acknowledged: set[str]) -> list[str]:
    """I21: what was answered 2xx is stored."""
    stored = {row["dedupe_key"] for row in books.rows("SELECT dedupe_key FROM inbox WHERE source = 'portone'")}
    return [f"I21: webhook {key} was acknowledged and is not in the inbox" for key in sorted(acknowledged - stored)]


def charged_without_intent(books: Books, posts: Mapping[str, int]) -> list[str]:
    """I17: no more calls to charge than attempts that were written down, for each merchant_uid."""
    attempts = {
        row["merchant_uid"]: row["n"]
        for row in books.rows("SELECT merchant_uid, count(*) AS n FROM payment_attempts GROUP BY 1")
    }
    return [
        f"I17: {uid} was sent {count} times, with {attempts.get(uid, 0)} attempts written down"
        for uid, count in posts.items()
        if count > attempts.get(uid, 0)
    ]


def open_attempts(books: Books) -> list[str]:
    """I16: nothing is undecided."""
    rows = books.rows("SELECT id, status, reason, looks FROM payment_attempts WHERE closed_at IS NULL")
    return [f"I16: attempt {row['id']} is {row['status']} after {row['looks']} looks: {row['reason']}" for row in rows]


def told_wrongly(books: Books) -> list[str]:
    """I22: each paid invoice is told once, and no other."""
    rows = books.rows("""
        SELECT i.id, i.status, count(o.id) AS told FROM invoices i
        LEFT JOIN outbox o ON o.subject_id = i.id AND o.type = 'invoice.paid'
        GROUP BY i.id, i.status HAVING count(o.id) <> (i.status = 'paid')::int""")
    return [f"I22: invoice {row['id']} is {row['status']} and was told paid {row['told']} times" for row in rows]


def fill(report: Report, engine: Engine, ledger: list[Row]) -> None:
    """The counts that the two books give."""
    books = Books(engine, ledger, None)  # type: ignore[arg-type] # no invariant is asked for
    report.charges = sum(row["status"] == "paid" for row in ledger)
    for name, statement in (
        ("attempts", "SELECT status AS name, count(*) AS n FROM payment_attempts GROUP BY 1 ORDER BY 1"),
        ("invoices", "SELECT status AS name, count(*) AS n FROM invoices GROUP BY 1 ORDER BY 1"),
        ("open_alerts", "SELECT kind AS name, count(*) AS n FROM alerts WHERE closed_at IS NULL GROUP BY 1 ORDER BY 1"),
    ):
        setattr(report, name, {row["name"]: row["n"] for row in books.rows(statement)})


def spread(seconds: list[float]) -> dict[str, float]:
    """Count, median, 99th percentile and maximum."""
    if not seconds:
        return {"calls": 0}
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return {
        "calls": len(ordered),
        "p50": round(statistics.median(ordered), 2),
        "p99": round(p99, 2),
        "max": round(ordered[-1], 2),
    }


def _shown(values: Mapping[Any, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _seconds(value: float | None) -> str:
    return "NEVER" if value is None else f"{value:.1f} s"
