"""`billing-worker subscription add-fallback|remove-fallback|fallbacks`."""

from typing import Annotated

import typer

from billing_worker.cli.output import AsJson
from billing_worker.cli.parsing import moment
from billing_worker.cli.session import session
from billing_worker.usecases.reading.fallbacks import fallbacks_of
from billing_worker.usecases.reading.views.fallbacks import of_fallback
from billing_worker.usecases.subscription.fallbacks import NewFallback, add_fallback, remove_fallback

Id = Annotated[str, typer.Argument(metavar="ID", help="sub_…")]
Key = Annotated[str, typer.Option(metavar="ID", help="key_…: the further card.")]
COLUMNS = ("position", "billing_key_id", "consented_at", "consent", "added_by", "ended_because")


def add(
    subscription_id: Id,
    *,
    key: Key,
    consent_at: Annotated[str, typer.Option(metavar="TIME", help="When the customer agreed: ISO 8601 with a zone.")],
    consent: Annotated[
        str, typer.Option(metavar="TEXT", help="What the customer agreed to: the text, or a reference to it.")
    ],
    allow_same_card: Annotated[
        bool, typer.Option("--allow-same-card", help="They are two cards, although both show the same last digits.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a further card, charged where the main one cannot be. It comes last in the order; at most four.

    It is charged after a decline for good, in place of a dead card or one past its month, and when dunning ends.

    Example: billing-worker subscription add-fallback sub_0123456789abcdef --key key_0123456789abcdef --consent-at
    2026-03-31T09:00:00+09:00 --consent "terms 2026-03, clause 4"
    """
    with session(as_json=as_json) as work:
        wanted = NewFallback(
            subscription_id,
            key,
            consented_at=moment("consent_at", consent_at),
            consent=consent,
            allow_same_card=allow_same_card,
        )
        made = add_fallback(work.ports, wanted)
        work.out.record(of_fallback(made), headline=f"Key {key} is fallback {made.position} of {subscription_id}")


def remove(subscription_id: Id, *, key: Key, as_json: AsJson = False) -> None:
    """Take a further card out of the order. The record of the consent stays.

    Example: billing-worker subscription remove-fallback sub_0123456789abcdef --key key_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        ended = remove_fallback(work.ports, subscription_id, key)
        work.out.record(of_fallback(ended), headline=f"Key {key} is no fallback of {subscription_id}")


def fallbacks(
    subscription_id: Id,
    *,
    ended: Annotated[bool, typer.Option("--ended", help="Also those that are none any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the further cards of a subscription in their order, with the customer's consents.

    Example: billing-worker subscription fallbacks sub_0123456789abcdef --ended
    """
    with session(as_json=as_json) as work:
        found = fallbacks_of(work.ports, subscription_id, ended=ended)
        work.out.rows(found.data, COLUMNS, empty=f"Subscription {subscription_id} has no fallback key.")
