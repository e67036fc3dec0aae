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
        say = work.words.say
        work.out.say(told.subject, "bold")
        work.out.say(told.answer)
        parts = {"history": told.history, "notices": told.notices, "actions": told.actions}
        for name, lines in parts.items():
            if lines:
                work.out.say("")
                work.out.say(say(f"why.head.{name}"))
            for line in lines:
                work.out.say(f"  {line}")
        work.out.say("")
        work.out.say(say("why.head.next", next=told.next))
        for alert in told.alerts:
            work.out.say(say("why.head.alert", alert=alert), "bold red")
