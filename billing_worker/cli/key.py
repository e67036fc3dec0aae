"""`billing-worker key …`."""

from typing import Annotated

import typer

from billing_worker.cli import key_entry, listing, options
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.session import session
from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.errors import InvalidInput
from billing_worker.ports.lists import Kind
from billing_worker.usecases.key.change import set_email as change_email
from billing_worker.usecases.key.change import set_pg as change_pg
from billing_worker.usecases.key.decide import decide
from billing_worker.usecases.key.expiry import refresh_card
from billing_worker.usecases.key.expiry import set_expiry as change_expiry
from billing_worker.usecases.key.reactivate import reactivate as reactivate_key
from billing_worker.usecases.key.register import NewKey, pg_of_payment, register_and_confirm
from billing_worker.usecases.reading.one import key_with
from billing_worker.usecases.reading.views.keys import of_key
from billing_worker.usecases.reading.waits import lack_of

app = typer.Typer(help="Billing keys: each is one stored card, which PortOne knows by its customer_uid.")

app.command()(key_entry.issue)
app.command()(key_entry.replace)
app.command()(key_entry.delete)

COLUMNS = (
    *("id", "customer_uid", "pg_provider", "card_issuer", "card_last_digits", "card_expires", "status", "created_at"),
)


@app.command()
def register(
    customer_uid: Annotated[str, typer.Argument(help="The key's name at PortOne; at most 80 characters.")],
    *,
    pg: Annotated[
        str | None,
        typer.Option(help="PortOne's code of the PG, e.g. nice_v2; see: billing-worker pg list. Told by --imp-uid."),
    ] = None,
    imp_uid: Annotated[
        str | None, typer.Option(help="The result of the payment window that issued it; PortOne is read about it.")
    ] = None,
    buyer_name: Annotated[
        str | None, typer.Option(help="Needed for some PGs; for paymentwall as 'First Last'.")
    ] = None,
    buyer_email: Annotated[
        str | None,
        typer.Option(help="For paymentwall: the e-mail with which the key was issued; taken from there if left out."),
    ] = None,
    buyer_tel: Annotated[str | None, typer.Option(help="Telephone number.")] = None,
    goodsid: Annotated[
        str | None, typer.Option(help="The product that Paymentwall's pingbacks about this key must name.")
    ] = None,
    card_expires: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="The card's last month, if you know it: PortOne never tells.")
    ] = None,
    external_id: options.ExternalId = None,
    metadata: options.Metadata = [],  # noqa: B006 - typer's way to say "none", and no code changes it
    as_json: AsJson = False,
) -> None:
    """Register a billing key that PortOne already has.

    PortOne is read at once, and a key that it shows is active. Otherwise the key is pending, and is read again. A
    Paymentwall key waits until Paymentwall has confirmed the payment that issued it. Never give a card number here.

    Example: billing-worker key register user-42-card-1 --pg nice_v2

    Example: billing-worker key register user-42-card-2 --imp-uid imp_123456789012
    """
    with session(as_json=as_json) as work:
        key = register_and_confirm(
            work.ports,
            NewKey(
                customer_uid,
                pg or pg_of_payment(work.ports, customer_uid, imp_uid),
                imp_uid=imp_uid,
                buyer_name=buyer_name,
                buyer_email=buyer_email,
                buyer_tel=buyer_tel,
                goodsid=goodsid,
                card_expires=card_expires,
                external_id=external_id,
                metadata=listing.pairs(metadata),
            ),
        )
        waits = f"; it is not charged yet: {lack_of(work.ports, key)}" if key.status is KeyStatus.PENDING else ""
        work.out.record(of_key(key), headline=f"Registered key {key.id}{waits}")


@app.command("list")
def list_(
    *,
    customer: listing.Customer = None,
    status: Annotated[KeyStatus | None, typer.Option(help="Only these.")] = None,
    pg: Annotated[str | None, typer.Option(help="Only of this PG.")] = None,
    expiring: Annotated[
        bool, typer.Option("--expiring", help="Only cards that expire within 30 days, before their next charge.")
    ] = False,
    external_id: listing.ExternalId = None,
    created_after: listing.After = None,
    created_before: listing.Before = None,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List billing keys, newest first; customer_uids are masked.

    Example: billing-worker key list --customer user-42
    """
    with session(as_json=as_json) as work:
        wanted: dict[str, object] = {
            "customer": customer,
            "status": status,
            "pg_provider": pg,
            "external_id": external_id,
        }
        if expiring:
            wanted["expiring_at"] = work.ports.clock.moment().billing
        span = listing.between(work, "created", created_after, created_before)
        empty = "There are no such keys. Register one: billing-worker key register CUSTOMER_UID --pg nice_v2"
        most = None if everything else limit
        show_list(work, Kind.BILLING_KEYS, {**wanted, **span}, COLUMNS, most=most, empty=empty)


@app.command()
def show(key_id: Annotated[str, typer.Argument(metavar="ID", help="key_…")], *, as_json: AsJson = False) -> None:
    """Show one billing key.

    Example: billing-worker key show key_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        work.out.record(key_with(work.ports, key_id))


@app.command()
def reactivate(key_id: Annotated[str, typer.Argument(metavar="ID", help="key_…")], *, as_json: AsJson = False) -> None:
    """Charge an invalid key again. Invoices that wait for another card are tried at once.

    Example: billing-worker key reactivate key_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        key = reactivate_key(work.ports, key_id)
        work.out.record(of_key(key), headline=f"Key {key.id} is charged again")


@app.command("set-email")
def set_email(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="key_…")],
    *,
    email: Annotated[str, typer.Option(help="Sent with every charge. Paymentwall: that of the issuing payment.")],
    as_json: AsJson = False,
) -> None:
    """Change the e-mail of a key. A Paymentwall key that waits for the right one is looked up at once.

    Example: billing-worker key set-email key_0123456789abcdef --email gildong@example.com
    """
    with session(as_json=as_json) as work:
        key = change_email(work.ports, key_id, email)
        work.out.record(of_key(key), headline=f"Changed the e-mail of key {key.id}")


@app.command("set-pg")
def set_pg(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="key_…")],
    *,
    pg: Annotated[str, typer.Option(help="The PG at which PortOne stores the key; its alert tells it.")],
    as_json: AsJson = False,
) -> None:
    """Correct the PG of a pending key, which was registered at another one. PortOne is read at once.

    Example: billing-worker key set-pg key_0123456789abcdef --pg kcp_billing
    """
    with session(as_json=as_json) as work:
        key = change_pg(work.ports, key_id, pg)
        work.out.record(of_key(key), headline=f"Key {key.id} is at {key.pg_provider}")


@app.command("set-expiry")
def set_expiry(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="key_…")],
    month: Annotated[str, typer.Argument(metavar="MONTH", help="YYYY-MM, or 'unknown'.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Note the last month of a card, to be warned ahead: the event billing_key.expiring, and key list --expiring.

    Example: billing-worker key set-expiry key_0123456789abcdef 2031-04
    """
    with session(as_json=as_json) as work:
        key = change_expiry(work.ports, key_id, None if month == "unknown" else month)
        work.out.record(of_key(key), headline=f"The card of key {key.id} expires: {key.card_expires or 'unknown'}")


@app.command()
def refresh(key_id: Annotated[str, typer.Argument(metavar="ID", help="key_…")], *, as_json: AsJson = False) -> None:
    """Read PortOne about a key, and note the card that it shows now.

    For a customer_uid that was issued again: it is another card then, whose last month is not known.

    Example: billing-worker key refresh key_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        work.check_gateway()
        key = refresh_card(work.ports, key_id)
        work.out.record(of_key(key), headline=f"Key {key.id} is the card that PortOne shows")


@app.command("issuing-payment")
def issuing_payment(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="key_…")],
    *,
    counts_for: Annotated[
        str | None, typer.Option(metavar="SUBSCRIPTION_ID", help="It pays the next unpaid period of this one.")
    ] = None,
    counts_for_none: Annotated[bool, typer.Option("--counts-for-none", help="It pays no period here.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide what the payment that issued a Paymentwall key pays, if that is unclear.

    Charges that wait for the decision go on. A payment whose sum differs from the period's price still stands for the
    period: its invoice is closed without a charge.

    Example: billing-worker key issuing-payment key_0123456789abcdef --counts-for sub_0123456789abcdef

    Example: billing-worker key issuing-payment key_0123456789abcdef --counts-for-none
    """
    if counts_for_none == (counts_for is not None):
        raise InvalidInput("counts_for", counts_for, "give one: --counts-for SUBSCRIPTION_ID or --counts-for-none")
    with session(as_json=as_json) as work:
        key = decide(work.ports, key_id, counts_for)
        what = f"counts for {counts_for}" if counts_for else "pays no period"
        work.out.record(of_key(key), headline=f"The issuing payment of key {key.id} {what}")
