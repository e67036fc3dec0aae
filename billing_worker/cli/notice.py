"""`billing-worker notice …`."""

from collections.abc import Mapping
from typing import Annotated

import typer

from billing_worker.cli import listing
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit, Output
from billing_worker.cli.session import quiet_logs, session
from billing_worker.config import load_settings
from billing_worker.domain.language import Language
from billing_worker.domain.notices.notice import Channel, NoticeKind, NoticeStatus
from billing_worker.domain.notices.switches import DEFAULT_LEAD
from billing_worker.ports.lists import Kind
from billing_worker.ports.notices import Rendered
from billing_worker.texts.notices.samples import sample
from billing_worker.usecases.reading.one import plan_with

app = typer.Typer(help="Notices to customers: show what they heard, and how it reads.")

COLUMNS = ("created_at", "kind", "channel", "customer", "invoice_id", "status", "tries", "note")

MEANING: Mapping[NoticeKind, str] = {
    NoticeKind.UPCOMING: "so many days before a charge: upcoming=7",
    NoticeKind.CARD_EXPIRING: "so many days before a charge for which the card is too old",
    NoticeKind.FAILED: "a charge was declined, and another try or another card can still pay",
    NoticeKind.LAST_WARNING: "the same before the last try, or before a dead card's invoice is given up",
    NoticeKind.RECOVERED: "paid, after the customer heard of a failure",
    NoticeKind.GIVEN_UP: "dunning ended without a payment",
}


@app.command("list")
def list_(
    *,
    customer: Annotated[str | None, typer.Option(metavar="ID", help="Only to this customer, by your own id.")] = None,
    subscription: listing.Subscription = None,
    invoice: Annotated[str | None, typer.Option(metavar="ID", help="inv_…: only about this invoice.")] = None,
    kind: Annotated[NoticeKind | None, typer.Option(help="Only of this kind.")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only by this way.")] = None,
    status: Annotated[NoticeStatus | None, typer.Option(help="Only in this state.")] = None,
    created_after: listing.After = None,
    created_before: listing.Before = None,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List notices to customers, newest first.

    Example: billing-worker notice list --status failed
    """
    with session(as_json=as_json) as work:
        wanted = {
            "customer": customer,
            "subscription_id": subscription,
            "invoice_id": invoice,
            "kind": kind,
            "channel": channel,
            "status": status,
            **listing.between(work, "created", created_after, created_before),
        }
        empty = "There are no such notices. None is written without BILLING_NOTICE_SMTP_URL or BILLING_NOTICE_URL."
        show_list(work, Kind.NOTICES, wanted, COLUMNS, most=None if everything else limit, empty=empty)


@app.command()
def kinds(*, as_json: AsJson = False) -> None:
    """List the kinds of notices, with what is on by default.

    Example: billing-worker notice kinds
    """
    settings = load_settings()
    on = settings.notice_switches
    rows = [
        {"kind": kind, "on": on.has(kind), "days": on.lead(kind) or DEFAULT_LEAD.get(kind), "sent": MEANING[kind]}
        for kind in NoticeKind
    ]
    Output(as_json, settings.timezone).rows(rows, ("kind", "on", "days", "sent"), empty="")


@app.command()
def preview(
    kind: Annotated[NoticeKind, typer.Argument(help="Which kind; see: notice kinds")],
    *,
    language: Annotated[Language | None, typer.Option(help="BILLING_NOTICE_LANGUAGE if not given.")] = None,
    plan: Annotated[str | None, typer.Option(metavar="ID", help="plan_…: with its name and price.")] = None,
    html: Annotated[bool, typer.Option("--html", help="The HTML of the mail, to open in a browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how a notice reads, with an invented customer. Nothing is sent.

    Example: billing-worker notice preview failed --language en

    Example: billing-worker notice preview recovered --html
    """
    from billing_worker.messengers import wording_of  # noqa: PLC0415 - the other commands here need no adapters

    facts = dict(sample(kind))
    if plan is None:
        settings = load_settings()
        quiet_logs(settings.secrets)
    else:
        with session(as_json=as_json) as work:
            settings, found = work.settings, plan_with(work.ports, plan)
            facts |= {"product": found.name, "amount": found.amount, "currency": found.currency}
            facts |= {"timezone": found.timezone}
    rendered = wording_of(settings).words(kind, language or settings.notice_language, facts)
    _show(Output(as_json, settings.timezone), rendered, html=html)


def _show(out: Output, rendered: Rendered, *, html: bool) -> None:
    if out.as_json:
        out.record({"title": rendered.title, "text": rendered.text, "html": rendered.html})
    elif html:
        typer.echo(rendered.html)
    else:
        typer.echo(f"{rendered.title}\n\n{rendered.text}", nl=False)
