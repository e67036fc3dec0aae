"""`billing-worker card-session …`."""

from datetime import timedelta
from typing import Annotated

import typer

from billing_worker.cli.output import AsJson
from billing_worker.cli.session import Session, session
from billing_worker.domain.card_session import CardSession
from billing_worker.domain.language import Language
from billing_worker.usecases.card.create import DEFAULT_LIFE, NewCardSession, create_session
from billing_worker.usecases.card.link import link_of
from billing_worker.usecases.card.visit import session_with
from billing_worker.usecases.reading.views.card_sessions import CardSessionView, of_card_session

app = typer.Typer(help="Links to the card page, on which a customer gives a card in PortOne's payment window.")

_DEFAULT = NewCardSession("any")


@app.command()
def create(
    *,
    pg: Annotated[str, typer.Option(help="A PG with a window, e.g. kakaopay, or kakaopay.MID; see: pg list")],
    customer: Annotated[
        str | None, typer.Option(help="Your own id of the customer; needed without a subscription.")
    ] = None,
    subscription: Annotated[
        str | None, typer.Option(metavar="ID", help="sub_…: replace its card, and pay what it owes at once.")
    ] = None,
    amount: Annotated[
        int, typer.Option(help="What the window charges, in minor units; 0 registers the card only.")
    ] = _DEFAULT.amount,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = _DEFAULT.currency,
    product: Annotated[str, typer.Option(help="The name that the window shows.")] = _DEFAULT.product,
    buyer_name: Annotated[str | None, typer.Option(help="Needed for some PGs.")] = None,
    buyer_email: Annotated[str | None, typer.Option(help="Needed for some PGs.")] = None,
    buyer_tel: Annotated[str | None, typer.Option(help="Needed for some PGs.")] = None,
    return_url: Annotated[
        str | None, typer.Option(help="Where the page leads back; its host is in BILLING_CARD_RETURN_HOSTS.")
    ] = None,
    language: Annotated[Language, typer.Option(help="The language of the page.")] = _DEFAULT.language,
    expires_in: Annotated[int, typer.Option(help="Seconds until the link expires.")] = int(
        DEFAULT_LIFE.total_seconds()
    ),
    as_json: AsJson = False,
) -> None:
    """Make a link to the card page. The card that the customer gives there becomes a billing key.

    Example: billing-worker card-session create --pg kakaopay --customer user-42
    """
    wanted = NewCardSession(
        pg,
        customer=customer,
        amount=amount,
        currency=currency,
        product=product,
        buyer_name=buyer_name,
        buyer_email=buyer_email,
        buyer_tel=buyer_tel,
        subscription_id=subscription,
        return_url=return_url,
        language=language,
        life=timedelta(seconds=expires_in),
    )
    with session(as_json=as_json) as work:
        made = create_session(work.ports, wanted, return_hosts=work.settings.card_page.return_hosts)
        view = _shown(work, made)
        work.out.record(view, headline=f"Send the customer to {view.url}")


@app.command()
def show(session_id: Annotated[str, typer.Argument(metavar="ID", help="cs_…")], *, as_json: AsJson = False) -> None:
    """Show what became of a visit, and the key that it made.

    Example: billing-worker card-session show cs_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        work.out.record(_shown(work, session_with(work.ports, session_id)))


def _shown(work: Session, found: CardSession) -> CardSessionView:
    page = work.settings.card_page
    return of_card_session(found, link_of(page.secret, page.url, found))
