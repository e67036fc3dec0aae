"""Watch the share of declines, and alert an operator where it is far above the last week's."""

from billing_worker.domain.alerts import AlertKind, Fact
from billing_worker.domain.decline_share import SPAN, Compared, excesses
from billing_worker.domain.outcome_counts import hour_of
from billing_worker.domain.stop import ALL
from billing_worker.domain.try_kind import TryKind
from billing_worker.ports.bundle import Ports


def watch_declines(ports: Ports) -> None:
    """Keep exactly the alerts open whose cause lasts. Raises Unavailable."""
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        known = {each.subject_id: each.facts for each in uow.alerts.of_kind(AlertKind.DECLINES_RISE)}
        counts = uow.books.hourly.outcomes(hour_of(moment.billing) - SPAN, TryKind.FIRST)
        for each in excesses(counts, moment.billing, known.keys()):
            facts = _facts(each)
            if known.pop(each.subject, None) != facts:
                uow.alerts.open(AlertKind.DECLINES_RISE, each.subject, facts, moment)
        for subject in known:
            uow.alerts.close(AlertKind.DECLINES_RISE, subject, moment)
        uow.commit()


def _facts(found: Compared) -> dict[str, Fact]:
    case = "all" if found.subject == ALL else "pg"
    recent = {"declined": found.recent.count, "tried": found.recent.total, "hours": found.hours}
    return {"case": case, **recent, "usual": f"{found.usual:.0%}"}
