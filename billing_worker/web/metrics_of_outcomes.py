"""Outcomes and times as Prometheus metrics: exact totals of all processes, since the first charge."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from billing_worker.domain.latency import BOUNDS_MS
from billing_worker.domain.try_kind import TryKind
from billing_worker.ports.hourly import Counted, Measure
from billing_worker.usecases.reading.report import Report

HISTOGRAMS = {
    Measure.CALL: ("billing_gateway_call_seconds", "Real time from a charge's call to its answer", "pg"),
    Measure.REQUEST: (
        "billing_gateway_request_seconds",
        "Real time of each call but a charge; failed ones, too",
        "kind",
    ),
    Measure.WAIT: ("billing_attempt_wait_seconds", "Billing time from the due date of an invoice to its attempt", "pg"),
    Measure.NOTIFICATION: (
        "billing_notification_seconds",
        "Real time from the arrival of a notification to its application",
        "source",
    ),
}


def metrics_of_outcomes(report: Report) -> Iterator[Metric]:
    """The metrics of one moment."""
    attempts = CounterMetricFamily(
        "billing_attempts",
        "Outcomes of payment attempts; one that changes counts again",
        labels=["outcome", "kind", "pg"],
    )
    for each in report.all_time:
        if each.measure == Measure.CHARGE:
            attempts.add_metric([each.outcome, each.kind, each.subject], each.counted)
    yield attempts
    yield _shares(report)
    for measure, (name, text, label) in HISTOGRAMS.items():
        yield _histogram(name, text, label, [each for each in report.all_time if each.measure == measure])


def _shares(report: Report) -> Metric:
    gauge = GaugeMetricFamily(
        "billing_first_tries_declined_ratio",
        "Share of declines among answered first tries: of the last day, and of the week before it",
        labels=["pg", "span"],
    )
    for each in report.outcomes:
        if each.kind == TryKind.FIRST:
            for span, share in zip(("day", "week"), each.shares, strict=True):
                if share.total:
                    gauge.add_metric([each.pg, span], share.value)
    return gauge


def _histogram(name: str, text: str, label: str, counts: Sequence[Counted]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=[label])
    for subject in sorted({each.subject for each in counts}):
        own = [each for each in counts if each.subject == subject]
        family.add_metric([subject], _buckets(own), sum(each.total_ms for each in own) / 1000)
    return family


def _buckets(counts: Iterable[Counted]) -> list[tuple[str, float]]:
    """How many took at most so many seconds, for each bound."""
    by_bucket = Counter[int]()
    for each in counts:
        by_bucket[each.bucket] += each.counted
    bounds = [*(str(bound / 1000) for bound in BOUNDS_MS), "+Inf"]
    return [
        (bound, float(total))
        for bound, total in zip(bounds, accumulate(by_bucket[number] for number in range(len(bounds))), strict=True)
    ]
