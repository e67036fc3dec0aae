"""`billing-worker key issue|replace|delete`."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from billing_worker.cli import listing, options
from billing_worker.cli.card import read_card
from billing_worker.cli.output import AsJson
from billing_worker.cli.session import Session, session
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.errors import Conflict, SettingsInvalid
from billing_worker.runtime.core_dumps import forbid_core_dumps
from billing_worker.usecases.entry.calls import delete_key
from billing_worker.usecases.entry.issue import CARD_ENTRY_OFF, NewCard, in_place_of, issue_key
from billing_worker.usecases.reading.views.keys import of_key

ChannelKey = Annotated[str | None, typer.Option(help="The channel, from PortOne's console.")]
CustomerId = Annotated[str | None, typer.Option(help="The customer at the PG; tosspayments needs it.")]
FromStdin = Annotated[bool, typer.Option("--card-from-stdin", help="Read the card as one JSON object, unasked.")]
BuyerName = Annotated[str | None, typer.Option(help="Needed for some PGs.")]
BuyerEmail = Annotated[str | None, typer.Option(help="Sent with every charge.")]
BuyerTel = Annotated[str | None, typer.Option(help="Telephone number.")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="key_…")]

SCHEDULES_STAY = "PortOne keeps the schedules of a deleted key: revoke them in its console"


def issue(
    customer_uid: Annotated[str, typer.Argument(help="The key's new name at PortOne; one per card.")],
    *,
    pg: Annotated[str, typer.Option(help="A PG that issues keys by the API; see: billing-worker pg list")],
    channel_key: ChannelKey = None,
    customer_id: CustomerId = None,
    buyer_name: BuyerName = None,
    buyer_email: BuyerEmail = None,
    buyer_tel: BuyerTel = None,
    external_id: options.ExternalId = None,
    metadata: options.Metadata = [],  # noqa: B006 - typer's way to say "none", and no code changes it
    card_from_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Issue a billing key from card data, which are asked for without an echo. Never give them as arguments.

    Needs BILLING_CARD_ENTRY. It widens your PCI scope (docs/card-entry.md): PortOne's payment window is the better way.
    The card is sent once, and stored nowhere here.

    Example: billing-worker key issue user-42-card-1 --pg nice_v2
    """
    with for_cards(as_json=as_json) as work:
        card = read_card(from_stdin=card_from_stdin, real_now=work.ports.clock.moment().real)
        wanted = NewCard(
            customer_uid,
            pg,
            card,
            channel_key=channel_key,
            customer_id=customer_id,
            buyer_name=buyer_name,
            buyer_email=buyer_email,
            buyer_tel=buyer_tel,
            external_id=external_id,
            metadata=listing.pairs(metadata),
        )
        _show(work, issue_key(work.ports, wanted))


def replace(
    key_id: KeyId,
    *,
    customer_uid: Annotated[
        str | None, typer.Option(help="The new key's name at PortOne; a random one if left out.")
    ] = None,
    delete_old: Annotated[
        bool, typer.Option("--delete-old", help="Also delete the old key, after its charges.")
    ] = False,
    channel_key: ChannelKey = None,
    customer_id: CustomerId = None,
    card_from_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Issue a key for another card of the same customer, and charge the subscriptions of the old key to it.

    PG and buyer are those of the old key. Issuing under the old customer_uid would overwrite the old key at PortOne,
    and not revoke it at the PG: so the new key has a name of its own, and --delete-old deletes the old one.

    Example: billing-worker key replace key_0123456789abcdef --delete-old
    """
    with for_cards(as_json=as_json) as work:
        card = read_card(from_stdin=card_from_stdin, real_now=work.ports.clock.moment().real)
        wanted = dataclasses.replace(
            in_place_of(work.ports, key_id, card, customer_uid),
            channel_key=channel_key,
            customer_id=customer_id,
            deletes_replaced=delete_old,
        )
        key = issue_key(work.ports, wanted)
        left = "" if delete_old else f"; the old key still exists: billing-worker key delete {key_id} --reason replaced"
        _show(work, key, f", in place of {key_id}{left}")


def delete(
    key_id: KeyId,
    *,
    reason: Annotated[str, typer.Option(help="Why; PortOne is told. At most 80 characters.")],
    requester: Annotated[str | None, typer.Option(help="Who asked; naverpay needs it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Delete a billing key at PortOne and here. Refused while a subscription or single payment still collects with it.

    PortOne keeps the schedules of a deleted key: revoke them first. A deletion cannot be taken back.

    Example: billing-worker key delete key_0123456789abcdef --reason "the customer left"
    """
    with session(as_json=as_json) as work:
        key = delete_key(work.ports, key_id, reason, requester)
        headline = f"Deleted key {key.id}; {SCHEDULES_STAY}"
        if key.status is not KeyStatus.DELETED:
            headline = (
                f"Key {key.id} is not charged any more; PortOne has not confirmed the deletion, and is read again"
            )
        work.out.record(of_key(key), headline=headline)


@contextmanager
def for_cards(*, as_json: bool) -> Iterator[Session]:
    """A session that may take a card. Raises SettingsInvalid before it asks for one."""
    forbid_core_dumps()
    with session(as_json=as_json) as work:
        if not work.ports.card_entry:
            raise SettingsInvalid(CARD_ENTRY_OFF)
        work.check_gateway()
        yield work


def _show(work: Session, key: BillingKey, more: str = "") -> None:
    """Print the result. Raises Conflict for a card that was refused."""
    if key.status is KeyStatus.INVALID:
        raise Conflict(f"key {key.id} was not issued: {key.invalid_reason}", existing_id=key.id)
    headline = f"Issued key {key.id}{more}"
    if key.status is KeyStatus.PENDING:
        headline = (
            f"Key {key.id} is pending: PortOne's answer was unclear, and the worker reads the key until it is known"
        )
    work.out.record(of_key(key), headline=headline)
