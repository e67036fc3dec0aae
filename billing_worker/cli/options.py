"""Options that several commands share: what a merchant writes on a thing to find it again."""

from typing import Annotated

import typer

ExternalId = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Your own id, unique: given twice, the second names the first and does nothing."),
]
Metadata = Annotated[
    list[str], typer.Option("--metadata", metavar="NAME=VALUE", help="A pair of text of your own; up to 20 of them.")
]
