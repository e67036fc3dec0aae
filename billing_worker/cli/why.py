"""`billing-worker why ID`."""

from typing import Annotated

import typer

from billing_worker.cli.output import AsJson
from billing_worker.cli.session import session
from billing_worker.usecases.reading.why import why as explain


def why(
    ident: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="One of our ids, or a merchant_uid, imp_uid, customer_uid, external_id or customer."
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Explain in plain words why something was, or was not, charged, and what happens next.

    Example: billing-worker why inv_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        told = explain(work.ports, ident, work.settings.timezone, work.settings.language)
        if as_json:
            work.out.json(told)
            return
        work.out.say(told.subject, "bold")
        work.out.say(told.answer)
        if told.history:
            work.out.say("")
            work.out.say("So far")
            for line in told.history:
                work.out.say(f"  {line}")
        if told.notices:
            work.out.say("")
            work.out.say("What the customer heard")
            for line in told.notices:
                work.out.say(f"  {line}")
        if told.actions:
            work.out.say("")
            work.out.say("Who did what")
            for line in told.actions:
                work.out.say(f"  {line}")
        work.out.say("")
        work.out.say(f"Next: {told.next}")
        for alert in told.alerts:
            work.out.say(f"ALERT {alert}", "bold red")
