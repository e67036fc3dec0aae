"""Short ways to write a row of the table of PGs."""

from collections.abc import Mapping

from billing_worker.domain.pgs.facts import Fact, FactKind, Flow, Rule, Source, Support, Value, Way
from billing_worker.domain.pgs.sources import INFERRED, ISSUING, NON_AUTH, SPEC_AGAIN, SPEC_CANCEL, SPEC_SCHEDULE


def ways(
    *, issue: Way, window: Way, onetime: Way, again: Way | None = None, schedule: Way | None = None
) -> Mapping[Flow, Way]:
    """All five flows. The specification lets every key be charged now and later, however it was issued."""
    return {
        Flow.ISSUE: issue,
        Flow.WINDOW: window,
        Flow.AGAIN: again or Way(Support.YES, (SPEC_AGAIN,)),
        Flow.ONETIME: onetime,
        Flow.SCHEDULE: schedule or Way(Support.YES, (SPEC_SCHEDULE,)),
    }


def by_api() -> Mapping[Flow, Way]:
    """A PG that issues keys by the API, and never in the window."""
    return ways(issue=yes(), window=no(ISSUING), onetime=yes(NON_AUTH))


def by_window(*also: Source) -> Mapping[Flow, Way]:
    """A PG that issues keys in the window, and never by the API."""
    return ways(issue=no(ISSUING, NON_AUTH), window=yes(ISSUING, NON_AUTH, *also), onetime=no(NON_AUTH))


def by_both() -> Mapping[Flow, Way]:
    """A PG that issues keys both ways."""
    return ways(issue=yes(), window=yes(), onetime=yes(NON_AUTH))


def old_module(*said: Source) -> Mapping[Flow, Way]:
    """A PG that the specification names among those which use keys but issue none by the API. No list has it."""
    return ways(
        issue=no(SPEC_SCHEDULE),
        window=silent(*said),
        onetime=no(NON_AUTH),
        again=Way(Support.SILENT, (INFERRED,), "the specification implies keys; no guide shows how they are issued"),
        schedule=Way(Support.SILENT, (INFERRED,), "as again"),
    )


def no_keys(*said: Source) -> Mapping[Flow, Way]:
    """A PG without billing keys."""
    none = no(*said)
    return ways(issue=none, window=none, onetime=no(NON_AUTH), again=none, schedule=none)


def unsaid(*said: Source) -> Mapping[Flow, Way]:
    """A PG of which the documents have only the name."""
    none_says = silent(*said)
    return ways(issue=none_says, window=none_says, onetime=none_says, again=none_says, schedule=none_says)


def yes(*said: Source) -> Way:
    """It has the flow."""
    return Way(Support.YES, said or (ISSUING, NON_AUTH))


def no(*said: Source, note: str = "") -> Way:
    """It does not have the flow."""
    return Way(Support.NO, said, note)


def contradicted(note: str, *said: Source) -> Way:
    """The documents disagree."""
    return Way(Support.CONTRADICTED, said, note)


def silent(*said: Source) -> Way:
    """No document says."""
    return Way(Support.SILENT, said)


def requires(
    flow: Flow, field: str, text: str, *said: Source, rule: Rule | None = None, value: tuple[Value, ...] = ()
) -> Fact:
    """The flow needs the field."""
    return Fact(flow, FactKind.REQUIRES, field, text, said, rule, value)


def forbids(
    flow: Flow, field: str, text: str, *said: Source, rule: Rule | None = None, value: tuple[Value, ...] = ()
) -> Fact:
    """The flow must not have the field, or not such a value."""
    return Fact(flow, FactKind.FORBIDS, field, text, said, rule, value)


def cuts(flow: Flow, field: str, text: str, *said: Source, rule: Rule | None = None) -> Fact:
    """The PG changes the value without a word."""
    return Fact(flow, FactKind.CUTS, field, text, said, rule)


def limits(
    flow: Flow, field: str, text: str, *said: Source, rule: Rule | None = None, value: tuple[Value, ...] = ()
) -> Fact:
    """The PG bounds the flow."""
    return Fact(flow, FactKind.LIMITS, field, text, said, rule, value)


def note(flow: Flow, field: str, text: str, *said: Source, rule: Rule | None = None) -> Fact:
    """Worth knowing in this flow."""
    return Fact(flow, FactKind.NOTE, field, text, said, rule)


def buyer(field: str, *said: Source) -> Fact:
    """Every charge needs this field of the buyer, so that a new key must have it."""
    return requires(Flow.AGAIN, field, "needed with every charge", *(said or (SPEC_AGAIN,)), rule=Rule.BUYER_FIELD)


def vat() -> Fact:
    """`vat_amount` is for a few PGs only."""
    text = "may be named; if it was, a refund must name its part too"
    return note(Flow.AGAIN, "vat_amount", text, SPEC_AGAIN, rule=Rule.VAT)


def vat_back() -> Fact:
    """A refund names its part of the VAT that the payment named."""
    return requires(Flow.CANCEL, "vat_amount", "named if the payment named it", SPEC_CANCEL)


def tax_free_back() -> Fact:
    """A refund names its part without tax."""
    return requires(Flow.CANCEL, "tax_free", "named for a payment without tax: it does not default to 0", SPEC_CANCEL)
