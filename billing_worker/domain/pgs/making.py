"""Short ways to write a row of the table of PGs."""

from collections.abc import Mapping

from billing_worker.domain.pgs.facts import Call, Fact, Has, Kind, Rule, Source, Value, Way
from billing_worker.domain.pgs.sources import INFERRED, ISSUING, NON_AUTH, SPEC_AGAIN, SPEC_CANCEL, SPEC_SCHEDULE


def ways(
    *, issue: Way, window: Way, onetime: Way, again: Way | None = None, schedule: Way | None = None
) -> Mapping[Call, Way]:
    """All five flows. The specification lets every key be charged now and later, however it was issued."""
    return {
        Call.ISSUE: issue,
        Call.WINDOW: window,
        Call.AGAIN: again or Way(Has.YES, (SPEC_AGAIN,)),
        Call.ONETIME: onetime,
        Call.SCHEDULE: schedule or Way(Has.YES, (SPEC_SCHEDULE,)),
    }


def by_api() -> Mapping[Call, Way]:
    """A PG that issues keys by the API, and never in the window."""
    return ways(issue=yes(), window=no(ISSUING), onetime=yes(NON_AUTH))


def by_window(*also: Source) -> Mapping[Call, Way]:
    """A PG that issues keys in the window, and never by the API."""
    return ways(issue=no(ISSUING, NON_AUTH), window=yes(ISSUING, NON_AUTH, *also), onetime=no(NON_AUTH))


def by_both() -> Mapping[Call, Way]:
    """A PG that issues keys both ways."""
    return ways(issue=yes(), window=yes(), onetime=yes(NON_AUTH))


def old_module(*said: Source) -> Mapping[Call, Way]:
    """A PG that the specification names among those which use keys but issue none by the API. No list has it."""
    return ways(
        issue=no(SPEC_SCHEDULE),
        window=silent(*said),
        onetime=no(NON_AUTH),
        again=Way(Has.SILENT, (INFERRED,), "the specification implies keys; no guide shows how they are issued"),
        schedule=Way(Has.SILENT, (INFERRED,), "as again"),
    )


def no_keys(*said: Source) -> Mapping[Call, Way]:
    """A PG without billing keys."""
    none = no(*said)
    return ways(issue=none, window=none, onetime=no(NON_AUTH), again=none, schedule=none)


def unsaid(*said: Source) -> Mapping[Call, Way]:
    """A PG of which the documents have only the name."""
    return ways(
        issue=silent(*said), window=silent(*said), onetime=silent(*said), again=silent(*said), schedule=silent(*said)
    )


def yes(*said: Source) -> Way:
    """It has the flow."""
    return Way(Has.YES, said or (ISSUING, NON_AUTH))


def no(*said: Source, note: str = "") -> Way:
    """It does not have the flow."""
    return Way(Has.NO, said, note)


def contradicted(note: str, *said: Source) -> Way:
    """The documents disagree."""
    return Way(Has.CONTRADICTED, said, note)


def silent(*said: Source) -> Way:
    """No document says."""
    return Way(Has.SILENT, said)


def requires(
    call: Call, field: str, text: str, *said: Source, rule: Rule | None = None, value: tuple[Value, ...] = ()
) -> Fact:
    """The call needs the field."""
    return Fact(call, Kind.REQUIRES, field, text, said, rule, value)


def forbids(
    call: Call, field: str, text: str, *said: Source, rule: Rule | None = None, value: tuple[Value, ...] = ()
) -> Fact:
    """The call must not have the field, or not such a value."""
    return Fact(call, Kind.FORBIDS, field, text, said, rule, value)


def cuts(call: Call, field: str, text: str, *said: Source, rule: Rule | None = None) -> Fact:
    """The PG changes the value without a word."""
    return Fact(call, Kind.CUTS, field, text, said, rule)


def limits(
    call: Call, field: str, text: str, *said: Source, rule: Rule | None = None, value: tuple[Value, ...] = ()
) -> Fact:
    """The PG bounds the call."""
    return Fact(call, Kind.LIMITS, field, text, said, rule, value)


def note(call: Call, field: str, text: str, *said: Source, rule: Rule | None = None) -> Fact:
    """Worth knowing on this call."""
    return Fact(call, Kind.NOTE, field, text, said, rule)


def buyer(field: str, *said: Source) -> Fact:
    """Every charge needs this field of the buyer, so that a new key must have it."""
    return requires(Call.AGAIN, field, "needed with every charge", *(said or (SPEC_AGAIN,)), rule=Rule.BUYER_FIELD)


def vat(call: Call = Call.AGAIN) -> Fact:
    """`vat_amount` is for a few PGs only."""
    return note(call, "vat_amount", "may be named; if it was, a refund must name its part too", SPEC_AGAIN)


def vat_back() -> Fact:
    """A refund names its part of the VAT that the payment named."""
    return requires(Call.CANCEL, "vat_amount", "named if the payment named it", SPEC_CANCEL)


def tax_free_back() -> Fact:
    """A refund names its part without tax."""
    return requires(Call.CANCEL, "tax_free", "named for a payment without tax: it does not default to 0", SPEC_CANCEL)
