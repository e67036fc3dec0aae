"""`billing-worker demo`: see it work, with invented cards."""

from typing import Annotated

import typer
from rich.console import Console

PIPE_WIDTH = 120
"""Columns without a terminal: wide enough that no line of the tables breaks."""


def demo(
    *,
    seconds: Annotated[float, typer.Option(min=20, max=3600, help="Real seconds for the three months.")] = 60.0,
) -> None:
    """Run three months of billing in about a minute: real processes, invented cards, a sandbox for PortOne.

    Starts PostgreSQL, Redis, the sandbox, web, workers, beat and Flower, loads some sixty subscriptions (among them
    every kind of decline, lost replies, a late approval and a Paymentwall key that waits for its confirmation), lets
    the clock run fast, and at the end compares the database's books with the sandbox's ledger. On a busy machine the
    clock waits for the work of the moment. The exit status is 0 only if the books agree, 1 if they do not, and 3 if
    work did not come to its end. The demo uses only the settings BILLING_WEB_PORT and
    BILLING_FLOWER_PORT, and leaves no process running.

    Example: billing-worker demo
    """
    from billing_worker.demo.run import run  # noqa: PLC0415 - `--help` need not load a database driver

    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    raise typer.Exit(run(seconds, console))
