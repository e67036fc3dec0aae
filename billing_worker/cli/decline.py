"""`billing-worker decline …`."""

import io
import json
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from billing_worker.cli.output import AsJson, Output
from billing_worker.cli.session import session
from billing_worker.domain.errors import InvalidInput
from billing_worker.usecases.reading.declines import explain as explained
from billing_worker.usecases.reading.declines import unknown_texts

app = typer.Typer(help="Declines: what the text of a PG means, and which texts no rule understands.")

UTC = "UTC"
WORDS = ("english", "korean")
UNKNOWN = ("count", "pg", "text", "last_at", "invoice_id")


@app.command()
def explain(
    pg: Annotated[str | None, typer.Argument(metavar="PG", help="PortOne's code: kcp, nice_v2, html5_inicis …")] = None,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The text, with or without its code.")] = None,
    *,
    stdin: Annotated[
        bool, typer.Option("--stdin", help='Read JSON lines {"pg": …, "text": …} and write one JSON answer a line.')
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Explain the text of a decline, in English and Korean: what it is about, and what helps. Needs no database.

    The category is one of limit, balance, expired, lost_or_stolen, stopped_by_holder, key_gone, fraud, wrong_card_data,
    maintenance, communication, duplicate, merchant_configuration, merchant_contract, issuer_refused, unknown.

    The advice: retry_soon (minutes or hours), better_day (another day), another_card (this key is over),
    fix_configuration (the merchant must change something), ask_gateway (look there, or ask the PG).

    With --stdin, a line that is no such object is answered by a line with "error", and the exit status is 2.

    Example: billing-worker decline explain kcp "[CC43]도난카드"
    """
    if stdin:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # a text may be in CP949
        _explain_lines(sys.stdin)
        return
    if pg is None or text is None:
        raise InvalidInput("text", text, "PG and TEXT are needed, or --stdin")
    out, view = Output(as_json, UTC), explained(pg, text)
    out.record(view, without=WORDS)
    out.say("")
    out.say(view.english)
    out.say(view.korean)


@app.command()
def unknown(*, as_json: AsJson = False) -> None:
    """List texts of PGs that no rule understands: those of 90 days, at most a hundred, the most frequent first.

    They are masked, and digits are #. Such a decline is tried again by the dunning days, until a rule knows its text.

    Example: billing-worker decline unknown
    """
    with session(as_json=as_json) as work:
        work.out.rows(unknown_texts(work.ports), UNKNOWN, empty="Every text of the last 90 days was understood.")


def _explain_lines(lines: Iterable[str]) -> None:
    out, wrong = Output(as_json=True, zone=UTC), 0
    for line in lines:
        if not line.strip():
            continue
        try:
            answer = out.plain(explained(*_asked(line)))
        except InvalidInput as error:
            answer, wrong = {"error": str(error)}, wrong + 1
        sys.stdout.write(json.dumps(answer, ensure_ascii=out.ascii_only) + "\n")
        sys.stdout.flush()  # another program may wait for this answer before it sends the next line
    if wrong:
        raise typer.Exit(2)


def _asked(line: str) -> tuple[str, str]:
    """PG and text of one line. Raises InvalidInput; the error does not repeat the line."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidInput("line", "…", "is no JSON") from None
    members = (found.get("pg"), found.get("text")) if isinstance(found, dict) else (None, None)
    pg, text = ("" if member is None else member for member in members)
    if not isinstance(found, dict) or not isinstance(pg, str) or not isinstance(text, str):
        raise InvalidInput("line", "…", 'is no object {"pg": "…", "text": "…"}')
    return pg, text
