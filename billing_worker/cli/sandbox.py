"""`billing-worker sandbox …`: the sandbox reads its own arguments."""

import contextlib
import io
import re
from collections.abc import Sequence

import typer

from billing_worker.domain.errors import InvalidInput
from billing_worker.sandbox.command import main, options_from

LARGEST_PORT = 65_535


def sandbox(context: typer.Context) -> None:
    """Run a stand-in for PortOne and Paymentwall. No real money moves.

    Example: billing-worker sandbox --port 8900 --webhook-url http://127.0.0.1:8000/webhooks/portone
    """
    arguments = [word for word in context.args if word != "--json"]
    _refuse_bad(arguments)
    raise typer.Exit(main(arguments))


def _refuse_bad(arguments: Sequence[str]) -> None:
    """Report a bad argument in one line, without argparse's usage. Raises InvalidInput."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = options_from(arguments)
    except SystemExit as end:
        if not end.code:
            raise
        text = said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        found = re.fullmatch(r"argument (\S+): (.+)", text)
        field, problem = found.groups() if found else ("arguments", text)
        raise InvalidInput(field, " ".join(arguments), f"{problem}; see: billing-worker sandbox --help") from None
    if not 0 <= options.port <= LARGEST_PORT:
        raise InvalidInput("--port", options.port, f"must be between 0 (any free one) and {LARGEST_PORT}")
