"""`billing-worker db …`."""

import typer

from billing_worker.cli.output import AsJson
from billing_worker.cli.session import session

app = typer.Typer(help="The database's tables.")


@app.command()
def upgrade(*, as_json: AsJson = False) -> None:
    """Create the tables, or bring them up to this release. Safe to run again, and by several at once.

    Example: billing-worker db upgrade
    """
    with session(as_json=as_json, checked=False) as work:
        before, after = work.upgrade_database()
        work.out.say(
            f"The database is already at migration {after}."
            if before == after
            else f"Migrated the database: {before or 'empty'} -> {after}"
        )
        if as_json:
            work.out.json({"from": before, "to": after, "changed": before != after})


@app.command()
def check(*, as_json: AsJson = False) -> None:
    """Check that the database answers and has the tables of this release.

    Example: billing-worker db check
    """
    with session(as_json=as_json) as work:
        work.out.say("The database answers, and its tables are of this release.")
        if as_json:
            work.out.json({"ready": True})
