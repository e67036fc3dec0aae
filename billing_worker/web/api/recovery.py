"""Advice about declined payments of any system, without a plan or a subscription here."""

from datetime import UTC

from fastapi import APIRouter
from pydantic import Field

from billing_worker.domain.billing_key import LONGEST_PG
from billing_worker.domain.declines.text import LONGEST
from billing_worker.domain.dunning.recovery import MOST_TRIES_TOLD, EarlierTry, KnownDecline
from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.usecases.reading.recovery import recovery_of
from billing_worker.usecases.reading.views.recovery import RecoveryView
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    InLanguage,
    Input,
    Instant,
    Minor,
    Text,
    Word,
    example,
)
from billing_worker.web.context import Ctx
from billing_worker.web.openapi import ASKS

router = APIRouter(prefix="/recovery", tags=["recovery"])


class TriedInput(Input):
    """An earlier try of the same card."""

    at: Instant = Field(description="When it was charged")
    text: Text | None = Field(
        None,
        max_length=LONGEST,
        description="The text of the decline; leave it out for an approval",
        examples=["[CC10]잔액부족"],
    )
    same_payment: bool = Field(
        default=True,
        description="Whether it was for this payment; others count for the caps of the card. An approval never was",
    )


class RecoveryInput(Input):
    """A payment that was declined."""

    model_config = example(
        id="order-1001",
        pg="kcp",
        text="[CC10]잔액부족",
        amount=9900,
        declined_at="2026-03-12T09:30:00+09:00",
        history=[{"at": "2026-02-12T09:30:00+09:00"}],
    )

    id: Text = Field(
        min_length=1,
        max_length=64,
        description="Your name of the payment: tries of different payments are spread",
        examples=["order-1001"],
    )
    pg: Text = Field(min_length=1, max_length=LONGEST_PG, description="PortOne's code of the PG", examples=["kcp"])
    text: Text = Field(
        max_length=LONGEST, description="The text of the decline, with or without its code", examples=["[CC10]잔액부족"]
    )
    code: Text | None = Field(
        None,
        min_length=1,
        max_length=40,
        description="The PG's code, if the text does not begin with it",
        examples=["CC10"],
    )
    amount: Minor | None = Field(
        None, ge=1, le=LARGEST_AMOUNT, description="Minor units. No rule of this release uses it", examples=[9900]
    )
    declined_at: Instant = Field(description="When it was declined")
    history: list[TriedInput] = Field(
        [], description="Earlier tries of the same card, at most thirty", max_length=MOST_TRIES_TOLD, examples=[[]]
    )
    dunning_policy: Word | None = Field(
        None, description="The name of a policy here; default: the policy of this release", examples=["paydays"]
    )

    @property
    def known(self) -> KnownDecline:
        """The decline, as the rules take it. Raises InvalidInput."""
        text = self.text if self.code is None else f"[{self.code}]{self.text}"
        earlier = tuple(EarlierTry(each.at.astimezone(UTC), each.text, each.same_payment) for each in self.history)
        return KnownDecline(self.id, self.pg, text, self.declined_at.astimezone(UTC), earlier)


@router.post("", dependencies=[JSON], responses=CHANGES, name="advise_on_decline", openapi_extra=ASKS)
def advise(wanted: RecoveryInput, context: Ctx, language: InLanguage) -> RecoveryView:
    """Advise on a declined payment of any system: what it is about, what helps, and when to charge again.

    Nothing is charged or stored. The answer follows the policy, its hours, and the caps of card networks.
    """
    return recovery_of(context.ports, wanted.known, wanted.dunning_policy, language)
