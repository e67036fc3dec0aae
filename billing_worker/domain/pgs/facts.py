"""The shapes of the table of PGs: a row, its flows, and its facts, each with the documents that say so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Value = str | int


class Mark(StrEnum):
    """How certain a source is."""

    DOCUMENTED = "D"
    """PortOne's specification or guides say so."""
    OBSERVED = "O"
    """A test, a log or a report of a client of PortOne shows it."""
    INFERRED = "I"
    """Concluded here from other facts. Nothing is refused because of it."""


class Flow(StrEnum):
    """What is done at a PG through PortOne."""

    ISSUE = "issue"
    """Issue a key from card data: `POST /subscribe/customers/{customer_uid}`."""
    WINDOW = "window"
    """Issue a key in the payment window: `IMP.request_pay` with a `customer_uid`."""
    AGAIN = "again"
    """Charge a key: `POST /subscribe/payments/again`."""
    ONETIME = "onetime"
    """Charge card data once: `POST /subscribe/payments/onetime`."""
    SCHEDULE = "schedule"
    """Let PortOne charge a key later: `POST /subscribe/payments/schedule`."""
    CANCEL = "cancel"
    """Give money back: `POST /payments/cancel`."""
    DELETE = "delete"
    """Delete a key: `DELETE /subscribe/customers/{customer_uid}`."""


FLOWS = (Flow.ISSUE, Flow.WINDOW, Flow.AGAIN, Flow.ONETIME, Flow.SCHEDULE)
"""The flows that a PG has or does not have. Every PG with keys has the other two."""


class Support(StrEnum):
    """Whether a PG has a flow."""

    YES = "yes"
    NO = "no"
    CONTRADICTED = "contradicted"
    """The documents disagree. It is not refused here."""
    SILENT = "silent"
    """No document says. It is not refused here."""


class FactKind(StrEnum):
    """What a fact does to a flow."""

    REQUIRES = "requires"
    FORBIDS = "forbids"
    CUTS = "cuts"
    """The PG shortens or changes a value without a word."""
    LIMITS = "limits"
    NOTE = "note"


class Rule(StrEnum):
    """A rule that this worker keeps by itself. A fact names the rule that it is the reason of."""

    ALWAYS = "always"
    """This worker does so at every PG."""
    BUYER_FIELD = "buyer_field"
    """A new key has the field of the fact."""
    FIRST_LAST = "first_last"
    """The buyer's name is two words with one space."""
    ISSUE_FIELD = "issue_field"
    """A key is issued by the API with the fields of the fact."""
    ONETIME_FIELD = "onetime_field"
    """A payment by card data has the fields of the fact."""
    EMAIL_OF_ISSUE = "email_of_issue"
    """A charge carries the e-mail of the payment that issued the key."""
    BROWSER_IP = "browser_ip"
    """A charge carries an address."""
    PRODUCT_TYPE = "product_type"
    """A charge carries the setting BILLING_PRODUCT_TYPE."""
    CURRENCIES = "currencies"
    """Only these currencies."""
    NOT_CURRENCIES = "not_currencies"
    """Any currency but these."""
    LEAST = "least"
    """At least so many minor units of the won."""
    ALPHANUMERIC = "alphanumeric"
    """A merchant_uid has only letters and digits."""
    NEW_ID = "new_id"
    """A merchant_uid is used up by a decline."""
    KEY_WAITS = "key_waits"
    """A payment issues the key, and the key waits until that payment is confirmed."""
    VAT = "vat"
    """A charge may name its VAT."""
    VAT_TENTH = "vat_tenth"
    """The VAT is at most a tenth of the sum."""
    SHOWN_LATER = "shown_later"
    """A refund is accepted first and shown later."""
    WHOLE = "whole"
    """A refund gives back the whole payment."""
    SAME_MONTH = "same_month"
    """A refund happens within the month of the payment, in Korea."""
    PARTIALS = "partials"
    """At most so many partial refunds of a payment."""
    MONTHS = "months"
    """A refund happens within so many months of the payment."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact stands."""

    document: str
    mark: Mark = Mark.DOCUMENTED

    def __str__(self) -> str:
        return f"{self.document} [{self.mark}]"


@dataclass(frozen=True, slots=True)
class Way:
    """Whether a PG has one flow, and who says so."""

    has: Support
    sources: tuple[Source, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a PG requires, forbids, cuts or limits in one flow. `rule` is None if nothing here checks it."""

    flow: Flow
    kind: FactKind
    field: str
    text: str
    sources: tuple[Source, ...]
    rule: Rule | None = None
    value: tuple[Value, ...] = ()

    @property
    def is_documented(self) -> bool:
        """Whether PortOne itself says so. Only such a fact may refuse."""
        return all(source.mark is Mark.DOCUMENTED for source in self.sources)


@dataclass(frozen=True, slots=True)
class Pg:
    """One PG, by the code that PortOne calls `pg_provider`."""

    code: str
    korean: str
    english: str
    pays_with: str
    """What its billing keys stand for: cards, phone bills, bank accounts, a wallet."""
    ways: Mapping[Flow, Way] = field(repr=False)
    facts: tuple[Fact, ...] = field(default=(), repr=False)
    calls_per_second: int | None = None
    """Calls that charge keys, of one merchant; None if no document says. Nothing here slows down to it."""

    def of(self, rule: Rule) -> Fact | None:
        """The fact that is the reason of this rule, if the PG has it."""
        return next(self.all_of(rule), None)

    def all_of(self, rule: Rule) -> Iterator[Fact]:
        """Every fact that is a reason of this rule."""
        return (fact for fact in self.facts if fact.rule is rule)

    def has(self, flow: Flow) -> Support:
        """Whether it has this flow."""
        way = self.ways.get(flow)
        return Support.YES if way is None else way.has

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flows that it surely has."""
        return tuple(flow for flow in FLOWS if self.has(flow) is Support.YES)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every document behind this row, once each."""
        of_ways = [source for way in self.ways.values() for source in way.sources]
        return tuple(dict.fromkeys([*of_ways, *(source for fact in self.facts for source in fact.sources)]))
