"""Options that several commands share: the merchant's labels."""

from typing import Annotated

import typer

ExternalId = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Your own id, unique. A repeat creates nothing, and the error names the first."),
]
Metadata = Annotated[
    list[str], typer.Option("--metadata", metavar="NAME=VALUE", help="Your own pair of text; up to 20 of them.")
]
