"""`billing-worker token …`."""

import secrets
from typing import Annotated

import typer

from billing_worker.cli.output import AsJson
from billing_worker.cli.session import session
from billing_worker.domain.access import Scope
from billing_worker.usecases.access.tokens import create_token, revoke_token
from billing_worker.usecases.access.tokens import tokens as all_tokens
from billing_worker.usecases.reading.views.tokens import of_new_token, of_token

app = typer.Typer(help="Tokens for programs that use the HTTP API: each has a name and a scope.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of its user in the log of actions.")]
COLUMNS = ("name", "scope", "created_at", "created_by", "revoked_at", "revoked_by")


@app.command()
def create(
    name: Name,
    *,
    scope: Annotated[
        Scope, typer.Option(help="read: look. write: also create and change. money: also refund, retry and stop.")
    ],
    as_json: AsJson = False,
) -> None:
    """Create a token. It is shown only once, here: only a digest of it is stored.

    Example: billing-worker token create shop --scope write
    """
    with session(as_json=as_json) as work:
        made = create_token(work.ports, name, scope, secrets.token_urlsafe(32))
        view = of_new_token(made.token, made.text)
        work.out.record(view, headline=f"Token {name}: copy it now, it is shown only once")


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List all tokens, including revoked ones, newest first. Their texts are not stored.

    The token of BILLING_API_TOKEN, or of the file in the var directory, is not listed: it may do everything, and its
    actions are logged under the name `setting`.

    Example: billing-worker token list
    """
    with session(as_json=as_json) as work:
        views = [of_token(token) for token in all_tokens(work.ports)]
        empty = "There are no tokens. Create one: billing-worker token create NAME --scope read"
        work.out.rows(views, COLUMNS, empty=empty)


@app.command()
def revoke(name: Name, *, as_json: AsJson = False) -> None:
    """Revoke a token. Every web process refuses it within five seconds.

    Example: billing-worker token revoke shop
    """
    with session(as_json=as_json) as work:
        token = revoke_token(work.ports, name)
        work.out.record(of_token(token), headline=f"Token {name} is revoked")
