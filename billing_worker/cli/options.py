"""Options that several commands share: the merchant's labels, and the way of collecting."""

from typing import Annotated

import typer

COLLECTION = (
    "worker: a worker charges at each date; portone_schedule: PortOne does, at dates registered there;"
    " shadow: nothing is charged, and what another biller does is compared."
)
ExternalId = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Your own id, unique. A repeat creates nothing, and the error names the first."),
]
Metadata = Annotated[
    list[str], typer.Option("--metadata", metavar="NAME=VALUE", help="Your own pair of text; up to 20 of them.")
]
DunningPolicy = Annotated[
    str | None, typer.Option(metavar="NAME", help="A policy for tries after a decline; see: billing-worker dunning")
]
