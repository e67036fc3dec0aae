"""Every command in the documents is run here, as it stands, or is proven at a place that this file names."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from billing_worker.runtime import free_port, wait_until
from tests.docs.markdown import DOCUMENTS, ROOT, Block, blocks, commands, script
from tests.support.plain_http import WITHOUT_TLS
from tests.support.sandbox import Sandbox, running_sandbox

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(1200)]

HOOK = "--webhook-url http://127.0.0.1:8000/webhooks/portone"
SERVES = "stays in the foreground; tests/sandbox/test_sandbox_process.py starts it"
NO_ENGINE = "needs a Docker engine; tests/deployment checks the file and starts the same commands"
ELSEWHERE = {
    "git clone URL billing-worker && cd billing-worker": "the address depends on where this lies",
    "make demo": "takes more than a minute; tests/processes/test_demo.py runs the command that it runs",
    "make test": "this is it",
    "make up": "this file runs on the very stack that it starts: billing-worker up",
    "apt-get install --yes postgresql pgbouncer": "needs root; tests/support/pooler.py names it where it is not done",
    "docker compose run --rm --publish 127.0.0.1:5555:5555 flower": NO_ENGINE,
    "docker compose config --quiet": NO_ENGINE,
    "docker compose up --build --detach": NO_ENGINE,
    "docker compose ps": NO_ENGINE,
    "docker compose logs --follow worker": NO_ENGINE,
    "docker compose up --detach --scale worker=4": NO_ENGINE,
    f"billing-worker sandbox --ledger var/sandbox.jsonl {HOOK}": SERVES,
    f"python -m billing_worker.sandbox --ledger var/sandbox.jsonl {HOOK}": SERVES,
}
PAGES = (
    "api",
    "card-entry",
    "card-page",
    "declines",
    "dunning",
    "dunning-model",
    "import",
    "payments",
    "pgs",
    "postgresql",
    "receiver",
    "runbook",
    "sandbox",
    "schedules",
)
RUN_BESIDE = {"backup": "tests/docs/test_docs_backup_keeps_its_word.py"}
"""Pages whose commands need a server of their own."""
SAME_AS = {ROOT / "README.ko.md": ROOT / "README.md"}
"""A translation has the same commands; they are run once."""

PRELUDE = 'set -euo pipefail\ncurl() { command curl --fail-with-body --max-time 20 "$@"; }\n'
"""What a reader would see with his eyes, bash sees with these: a failed command, an answer of 400 or more."""

START_SECONDS = 240.0
STOP_SECONDS = 200.0
SCRIPT_SECONDS = 600.0


@dataclass(frozen=True)
class Stack:
    """`billing-worker up` in an empty folder, as a reader has it after `make up`."""

    folder: Path
    web_port: int
    environment: dict[str, str]

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def http(self) -> httpx.Client:
        """A client with the token that `up` made."""
        token = (self.folder / "var" / "api-token").read_text().strip()
        return httpx.Client(base_url=self.api, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    @property
    def services(self) -> dict[str, str]:
        return json.loads((self.folder / "var" / "runtime.json").read_text())

    def run(self, text: str) -> str:
        """Run a script in the folder, on this stack's port; returns what it printed."""
        text = PRELUDE + text.replace("127.0.0.1:8000", f"127.0.0.1:{self.web_port}")
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SCRIPT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"exit status {done.returncode}:\n{done.stdout[-3000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not below pytest's own folder, which every other pytest session closes to all other accounts when it begins."""
    made = Path(tempfile.mkdtemp(prefix="billing-worker-docs-"))
    made.chmod(0o711)  # as root PostgreSQL runs under another account, which must get through to its data
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    (folder / ".env.example").write_text((ROOT / ".env.example").read_text())
    web, flower = free_port(), free_port()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ports = {"BILLING_WEB_PORT": str(web), "BILLING_FLOWER_PORT": str(flower), "BILLING_WORKER_PROCESSES": "1"}
    ports |= {"FLOWER_UNAUTHENTICATED_API": "true"}
    running = Stack(folder, web, dict(os.environ) | ports | {"PATH": path})
    log = folder / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["billing-worker", "up"], cwd=folder, env=running.environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_until(lambda: _ready(running.api) or process.poll() is not None, START_SECONDS, "the stack")
            assert process.poll() is None, log.read_text()[-3000:]
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/readyz", verify=WITHOUT_TLS, timeout=2).status_code == httpx.codes.OK
    return False


def test_all_commands_of_the_readme(stack):
    printed = stack.run(script(ROOT / "README.md", set(ELSEWHERE)))
    assert "user-42 on Basic (9,900 KRW, every month, Asia/Seoul)" in printed
    wait_until(lambda: len(_invoices(stack, "paid")) == 2, 60, "both subscriptions of the README to be paid")


def test_all_commands_of_the_runbook(stack):
    printed = stack.run(script(ROOT / "docs" / "runbook.md", set(ELSEWHERE)))
    assert "1 imported, 0 in already, 0 rejected." in printed
    assert re.search(r"^ok +gateway +http://127", printed, re.MULTILINE)


def test_all_commands_of_the_sandbox_page(stack, sandbox):
    text = script(ROOT / "docs" / "sandbox.md", set(ELSEWHERE)).replace("http://127.0.0.1:8900", sandbox.url)
    assert '"merchant_uid"' in stack.run(text)


def test_all_commands_of_the_receiver_page(stack):
    printed = stack.run(script(ROOT / "docs" / "receiver.md", set(ELSEWHERE)))
    assert "made-up-1" in printed
    assert "would replay" in printed


def test_all_commands_of_the_import_page(stack):
    printed = stack.run(script(ROOT / "docs" / "import.md", set(ELSEWHERE)))
    counts = ("2 would be imported, 0 in already", "2 imported, 0 in already", "0 imported, 2 in already")
    assert all(each in printed for each in counts)
    assert len((stack.folder / "moved.report.csv").read_text().splitlines()) == 3


def test_all_commands_of_the_api_page(stack):
    printed = stack.run(script(ROOT / "docs" / "api.md", set(ELSEWHERE)))
    assert printed.count("HTTP/1.1 201 Created") == 2
    assert printed.lower().count("idempotency-replayed: true") == 1
    with stack.http as api:
        made = api.get("/v1/subscriptions", params={"customer": "user-900"}).raise_for_status().json()["data"]
        done = api.get("/v1/actions", params={"actor": "token:shop"}).raise_for_status().json()["data"]
    assert len(made) == 1
    assert [each["verb"] for each in done][-3:] == ["subscription.created", "key.registered", "plan.created"]


def test_all_commands_of_the_page_on_single_payments(stack):
    printed = stack.run(script(ROOT / "docs" / "payments.md", set(ELSEWHERE)))
    assert '"order_id":"order-2026-1002"' in printed
    with stack.http as api:

        def paid() -> set[str]:
            found = api.get("/v1/payments", params={"status": "paid"}).raise_for_status().json()["data"]
            return {each["order_id"] for each in found}

        wait_until(lambda: paid() == {"order-2026-1001", "order-2026-1002"}, 60, "both payments of the page")


def test_all_commands_of_the_page_on_schedules(stack):
    printed = stack.run(script(ROOT / "docs" / "schedules.md", set(ELSEWHERE)))
    counts = ("2 would be imported, 0 in already", "2 imported, 0 in already")
    assert all(each in printed for each in counts)
    assert "is collected by worker" in printed
    assert len((stack.folder / "moving.report.csv").read_text().splitlines()) == 3


def test_all_commands_of_the_page_on_pgs(stack):
    printed = stack.run(script(ROOT / "docs" / "pgs.md", set(ELSEWHERE)))
    assert "페이먼트월, Paymentwall" in printed


def test_all_commands_of_the_page_on_declines(stack):
    printed = stack.run(script(ROOT / "docs" / "declines.md", set(ELSEWHERE)))
    assert all(advice in printed for advice in ("another_card", "retry_soon"))


def test_all_commands_of_the_page_on_postgresql(stack):
    printed = stack.run(script(ROOT / "docs" / "postgresql.md", set(ELSEWHERE)))
    assert "The database answers, and its tables are of this release." in printed
    assert "directly: statements are prepared" in " ".join(printed.split())


def test_no_other_document_has_commands_that_no_test_runs():
    run_here = {ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in (*PAGES, *RUN_BESIDE))}
    for document in DOCUMENTS:
        if document in SAME_AS:
            assert commands(document) == commands(SAME_AS[document])
        elif document not in run_here:
            assert commands(document) == [], document
        for block in blocks(document):
            assert block.language not in {"", "bash", "shell", "console"}, f"{document}:{block.line}"


def test_what_is_said_to_be_proven_elsewhere_is_still_documented():
    written = {command for document in DOCUMENTS for command in commands(document)}
    assert set(ELSEWHERE) - written == set()
    assert all(ELSEWHERE.values())


def test_the_consumer_of_the_celery_events_hears_an_unlock_and_flower_shows_it(stack):
    consumer = next(block for block in _python() if block.text.startswith("# consumer.py"))
    (stack.folder / "consumer.py").write_text(consumer.text)
    environment = stack.environment | {"BILLING_BROKER_URL": stack.services["broker_url"]}
    heard = stack.folder / "heard.log"
    with heard.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "consumer.py"],
            cwd=stack.folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(lambda: "listening" in heard.read_text(), 30, "the consumer to listen")
            key_id = _paymentwall_key(stack)
            wait_until(lambda: f"unlocked: {key_id}" in heard.read_text(), 60, "the event of the unlock")
            assert f"received: {key_id}" in heard.read_text()
            wait_until(lambda: _in_flower(stack, key_id) == ["SUCCESS"], 30, "the row in Flower")
        finally:
            process.kill()
            process.wait()


def test_the_check_of_a_signature_works_on_the_documented_body():
    names: dict[str, object] = {}
    exec(next(block.text for block in _python() if "def check" in block.text), names)  # noqa: S102 - our own document
    body = blocks(ROOT / "docs" / "events.md", "json")[0].text
    secret = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
    sent = _delivered(secret)
    assert names["check"](secret, sent.content, dict(sent.headers))["type"] == "invoice.paid"
    assert set(json.loads(body)) == set(json.loads(sent.content))


def _delivered(secret: str) -> httpx.Request:
    """One event as the notifier posts it."""
    from datetime import UTC, datetime  # noqa: PLC0415 - used here alone

    from billing_worker.adapters.notifier import WebhookNotifier  # noqa: PLC0415 - as above
    from billing_worker.domain.events import Event, EventType  # noqa: PLC0415 - as above
    from billing_worker.ports.outgoing import OutboxMessage  # noqa: PLC0415 - as above

    seen: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    notifier = WebhookNotifier("https://receiver.test/events", secret)
    notifier._client = httpx.Client(transport=httpx.MockTransport(take))
    now = datetime.now(UTC)
    event = Event(EventType.INVOICE_PAID, "inv_1", {"amount": 9900})
    assert notifier.send(OutboxMessage("evt_1", event, now, now, 0, None, None), now) is None
    return seen[0]


def _in_flower(stack: Stack, key_id: str) -> list[str]:
    url = f"http://127.0.0.1:{stack.environment['BILLING_FLOWER_PORT']}/api/tasks"
    rows = httpx.get(url, params={"taskname": "billing.unlocked"}, timeout=60).raise_for_status().json().values()
    return [row["state"] for row in rows if key_id in row["args"]]


def _paymentwall_key(stack: Stack) -> str:
    buyer = {"buyer_name": "Jane Doe", "buyer_email": "jane@example.com"}
    issue = {"customer_uid": "pw-ok-consumer", "amount": 9900, "merchant_uid": "issue1", "confirm_after": 600}
    key = {"customer_uid": "pw-ok-consumer", "pg_provider": "paymentwall"}
    with httpx.Client(base_url=stack.services["portone_api_url"], timeout=60) as portone, stack.http as api:
        portone.post("/_sandbox/paymentwall/issue", json=issue | buyer).raise_for_status()
        registered = api.post("/v1/billing-keys", json=key | buyer).raise_for_status().json()
        assert registered["status"] == "pending"
        portone.post("/_sandbox/paymentwall/confirm", json={"customer_uid": "pw-ok-consumer"}).raise_for_status()
    return registered["id"]


def _invoices(stack: Stack, status: str) -> list[dict[str, object]]:
    with stack.http as api:
        return api.get("/v1/invoices", params={"status": status}).raise_for_status().json()["data"]


def _python() -> list[Block]:
    return blocks(ROOT / "docs" / "events.md", "python")
