"""The table of behaviours as Markdown, for docs/sandbox.md. A test compares both."""

from billing_worker.sandbox.world.behaviours import BEHAVIOURS, Behaviour, Books, Reply

SAID = {
    Reply.PAYMENT: "the payment",
    Reply.AMOUNT_TEXT: "the payment, amounts as strings",
    Reply.NEW_FIELDS: "the payment, with new fields",
    Reply.DROP: "nothing: connection closed",
    Reply.CUT: "half a body: connection closed",
    Reply.TRUNCATED: "HTTP 200, half a JSON text",
    Reply.GARBLED: "HTTP 200, no JSON",
    Reply.UNAUTHORIZED: "HTTP 401",
    Reply.RATE_LIMIT: "HTTP 429",
    Reply.REDIRECT: "HTTP 307",
}


def markdown_table() -> str:
    """Return one row per behaviour, in the order of the table."""
    lines = ["| name | what happens | in the books | the caller is told | card | basis |", "|---|---|---|---|---|---|"]
    return "\n".join(lines + [_line(one) for one in BEHAVIOURS.values()])


def _line(one: Behaviour) -> str:
    said = SAID.get(one.reply) or (f"code {one.code}" if one.reply is Reply.REFUSAL else f"HTTP {one.http}")
    books = "nothing" if one.books is Books.NOTHING else f"`{one.books}`"
    if one.then:
        books += f", later `{one.then}`"
    return f"| `{one.name}` | {one.summary} | {books} | {said} | {one.card} | {one.evidence} |"
