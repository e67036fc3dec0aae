"""Write the table of alerts into docs/runbook.md, from the rules and the catalogue of texts.

python scripts/alert_table.py
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from billing_worker.domain.alert_rules import RULES  # noqa: E402 - the line above makes it importable
from billing_worker.domain.alerts import AlertKind, WayOut  # noqa: E402
from billing_worker.domain.language import Language  # noqa: E402
from billing_worker.texts.alerts import text  # noqa: E402
from billing_worker.texts.commands import command_of  # noqa: E402

RUNBOOK = ROOT / "docs" / "runbook.md"
TITLES = "| kind | severity | what happened | what you do |\n|---|---|---|---|\n"
TABLE = re.compile(re.escape(TITLES) + r"(?:\|.*\n)+")

SEE = {
    AlertKind.UNKNOWN: '"An invoice stays unknown" below',
    AlertKind.DECLINES_RISE: '"Far more is declined than usual" below',
    AlertKind.SURPLUS_PAYMENT: '"Double payment" below',
    AlertKind.REFUND_STUCK: '"Refund a payment" below',
    AlertKind.MISMATCH: '"Mismatch" below',
    AlertKind.INBOX_STUCK: "[receiver.md](receiver.md#stuck-entries)",
    AlertKind.INBOX_FOREIGN: "[receiver.md](receiver.md#foreign-webhooks)",
    AlertKind.TAKEN_BACK: '"Paid and given back, again and again" below',
    AlertKind.ISSUING_PAYMENT: '"What did the issuing payment pay" below',
    AlertKind.CATCH_UP: '"After an outage" below',
    AlertKind.EVENTS_DISABLED: '"Your receiver takes no events" below',
    AlertKind.EVENTS_GIVEN_UP: '"Your receiver takes no events" below',
    AlertKind.NOTICES_UNDELIVERED: "[notices.md](notices.md#delivery)",
    AlertKind.ALERTS_UNDELIVERED: "[How alerts come to you](#how-alerts-come-to-you)",
    AlertKind.STOPPED: '"Stop the line" below',
}
"""References to further documentation."""


def main() -> int:
    """Replace the table."""
    RUNBOOK.write_text(written(RUNBOOK.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def written(page: str) -> str:
    """The page with the current table. Raises ValueError if the page has no table."""
    found = TABLE.subn(lambda _: TITLES + "".join(rows()), page)
    if found[1] != 1:
        raise ValueError(f"{found[1]} tables of alerts in the runbook")
    return found[0]


def rows() -> Iterator[str]:
    """A row for each kind."""
    for kind, rule in RULES.items():
        ways = (_way(WayOut(action)) for action in rule.actions)
        closes = text(f"alert.{kind}.closes", Language.EN)
        do = f"{'; '.join(ways)}. {closes}" + (f" See {SEE[kind]}" if kind in SEE else "")
        yield f"| `{kind}` | {rule.severity} | {text(f'alert.{kind}.help', Language.EN)} | {do} |\n"


def _way(way: WayOut) -> str:
    line, command = text(f"action.{way.action}", Language.EN), command_of(way)
    return line if command is None else f"{line}: `{command}`"


if __name__ == "__main__":
    sys.exit(main())
