"""Schemathesis against the application: does it keep what its own description promises, whatever is sent?"""

import re
import subprocess
import sys
from pathlib import Path

from web_calls import TOKEN
from web_helpers import Web

from billing_worker.domain.payment import Approved, ChargeRequest, Outcome
from billing_worker.usecases.refund.refund import request_refund
from tests.builders import EVIDENCE, a_payment

CONFIG = Path(__file__).with_name("schemathesis.toml")
PATIENCE = 900
"""Seconds for one run, which takes about one minute: what hangs is ended, and a busy machine is not."""
ALL_PHASES = "examples,coverage,fuzzing,stateful"


def assert_description_holds(
    url: str, folder: Path, *, ids: dict[str, str], examples: int, seed: int, phases: str
) -> str:
    """Send what fits the description and what does not: no server error, and no answer that is not described.

    Returns what schemathesis sent, in its own words. With `ids` those that exist are used: random ones
    reach little more than 404.
    """
    given = "".join(f'"path.{name}" = "{ident}"\n' for name, ident in ids.items())
    (folder / "schemathesis.toml").write_text(f"{CONFIG.read_text()}\n[parameters]\n{given}")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"]
    command += [f"{url}/openapi.json", "--checks", "all", "--phases", phases, "--max-examples", str(examples)]
    command += ["--seed", str(seed), "--no-color", "--header", f"Authorization: Bearer {TOKEN}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return next(line.strip() for line in done.stdout.splitlines() if re.search(r"\d generated", line))


def known_ids(web: Web) -> dict[str, str]:
    """One of everything, on an invoice that was paid."""
    web.api.headers["Authorization"] = f"Bearer {TOKEN}"
    subscription, invoice_id = web.invoiced()
    web.charge(invoice_id, _approved)
    refund = request_refund(web.ports, invoice_id, 100, reason="known", idempotency_key="known")
    return {
        "subscription_id": subscription["id"],
        "plan_id": subscription["plan_id"],
        "billing_key_id": subscription["billing_key_id"],
        "invoice_id": invoice_id,
        "refund_id": refund.id,
        "customer": subscription["customer"],
    }


def _approved(request: ChargeRequest) -> Outcome:
    names = {"merchant_uid": request.merchant_uid, "customer_uid": request.customer_uid, "money": request.money}
    return Approved(a_payment(**names), EVIDENCE)
