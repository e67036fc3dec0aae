"""The views of a PG."""

from dataclasses import dataclass
from dataclasses import field as shown
from typing import Any

from billing_worker.domain.pgs.facts import FLOWS, Fact, FactKind, Flow, Pg, Support
from billing_worker.usecases.reading.views.fields import described

SOURCES = ["V1 spec, POST /subscribe/payments/again [D]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PgSummary:
    """A PG, and which flows it has."""

    code: str = shown(metadata=described("PortOne's `pg_provider`", example="nice_v2"))
    korean: str = shown(metadata=described("Its Korean name", example="나이스페이먼츠 (신모듈)"))
    english: str = shown(metadata=described("Its English name", example="NICE Payments, new module"))
    pays_with: str = shown(metadata=described("What its billing keys stand for", example="cards"))
    issue: Support = shown(metadata=described("Issues keys from card data, by the API"))
    window: Support = shown(metadata=described("Issues keys in the payment window"))
    again: Support = shown(metadata=described("Charges keys now"))
    onetime: Support = shown(metadata=described("Charges card data once, by the API"))
    schedule: Support = shown(metadata=described("Lets PortOne charge keys later"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PgFlowView:
    """One flow of a PG."""

    flow: Flow
    has: Support
    note: str = shown(metadata=described("Why, if that is not plain", example="the documents disagree"))
    sources: list[str] = shown(
        metadata=described("Documents, with D (documented), O (observed), I (inferred)", example=SOURCES)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PgFactView:
    """What a PG requires, forbids, cuts or limits in one flow."""

    flow: Flow
    kind: FactKind
    field: str = shown(metadata=described("The parameter, or its nearest name", example="buyer_name"))
    text: str = shown(metadata=described(example="needed with every charge"))
    checked_here: bool = shown(metadata=described("Whether this worker refuses, or does, it by itself"))
    sources: list[str] = shown(metadata=described("As of the flows", example=SOURCES))


@dataclass(frozen=True, slots=True, kw_only=True)
class PgView(PgSummary):
    """A PG with its facts."""

    calls_per_second: int | None = shown(metadata=described("The advised rate of charges; null: no document says"))
    flows: list[PgFlowView]
    facts: list[PgFactView]


def summary_of_pg(pg: Pg) -> PgSummary:
    """The short view of a PG."""
    return PgSummary(**_summary(pg))


def of_pg(pg: Pg) -> PgView:
    """The view of a PG."""
    flows = [_flow(pg, flow) for flow in FLOWS]
    return PgView(**_summary(pg), calls_per_second=pg.calls_per_second, flows=flows, facts=facts_of(pg.facts))


def facts_of(facts: tuple[Fact, ...]) -> list[PgFactView]:
    """The views of facts."""
    return [
        PgFactView(
            flow=fact.flow,
            kind=fact.kind,
            field=fact.field,
            text=fact.text,
            checked_here=fact.rule is not None,
            sources=[str(source) for source in fact.sources],
        )
        for fact in facts
    ]


def _flow(pg: Pg, flow: Flow) -> PgFlowView:
    way = pg.ways[flow]
    return PgFlowView(flow=flow, has=way.has, note=way.note, sources=[str(source) for source in way.sources])


def _summary(pg: Pg) -> dict[str, Any]:
    said = {"code": pg.code, "korean": pg.korean, "english": pg.english, "pays_with": pg.pays_with}
    return said | {flow.value: pg.has(flow) for flow in FLOWS}
