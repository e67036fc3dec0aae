import concurrent.futures
import json
import socket
import subprocess
import sys
import time

import httpx
import pytest
from sandbox_calls import PAYMENTWALL_BUYER, Caller, eventually

from tests.support.plain_http import WITHOUT_TLS

pytestmark = pytest.mark.long

COMMAND = [sys.executable, "-m", "billing_worker.sandbox"]


def finished(*flags):
    return subprocess.run([*COMMAND, *map(str, flags)], capture_output=True, text=True, timeout=60, check=False)


def view(caller):
    """Return everything that a merchant and a judge can see."""
    return (
        caller.ledger(),
        caller.summary(),
        caller.http.get("/_sandbox/keys").json(),
        caller.get("/subscribe/payments/schedule", schedule_from=0, schedule_to=80 * 86_400),
        caller.token()["access_token"],
        caller.get("/payments/prepare/p1"),
    )


def test_a_restart_shows_the_same_books_and_ends_with_status_0(process, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    first = process("--ledger", ledger)
    caller = Caller(first.url)
    payment = caller.paid("ok-kim", "m1", buyer_name="김", notice_url="http://127.0.0.1:9/x")
    caller.again("kcp-decline-limit-2x-kim", "m2")
    caller.http.post("/payments/cancel", json={"merchant_uid": "m1", "amount": 900})
    caller.http.post("/payments/prepare", json={"merchant_uid": "p1", "amount": 5})
    caller.control("/keys", customer_uid="gone", action="delete")
    caller.http.post("/subscribe/customers/member-1", json={"card_number": "4242-4242-4242-4242", "expiry": "2030-01"})
    before, shown = view(caller), caller.get(f"/payments/{payment['imp_uid']}")
    caller.http.close()
    assert first.stop() == 0
    again = Caller(process("--ledger", ledger).url)
    assert view(again) == before
    assert again.get(f"/payments/{payment['imp_uid']}") == shown
    assert again.again("kcp-decline-limit-2x-kim", "m3").json()["response"]["status"] == "failed"
    again.paid("kcp-decline-limit-2x-kim", "m4")
    again.refused(again.again("ok-kim", "m1"))
    assert len({row["imp_uid"] for row in again.ledger()}) == 4
    again.http.close()


def test_no_file_has_a_card_number_that_is_not_one_of_the_sandboxs_own(process, tmp_path):
    ledger, card = tmp_path / "ledger.jsonl", "5409-6000-1234-5677"
    caller = Caller(process("--ledger", ledger).url)
    given = {"card_number": card, "expiry": "2030-01"}
    caller.http.post("/subscribe/customers/member-1", json=given | {"pg": "nice_v2"})
    caller.http.post("/subscribe/payments/onetime", json=given | {"merchant_uid": "m1", "amount": 900, "pg": "nice_v2"})
    payment = caller.paid("member-1", "m2")
    assert len(caller.ledger()) == 2
    assert caller.get(f"/payments/{payment['imp_uid']}")["card_number"] == "540960******5677"
    assert caller.get("/subscribe/customers/member-1")["card_number"] == "540960******5677"
    written = ledger.read_text()
    assert card not in written
    assert card.replace("-", "") not in written
    caller.http.close()


def test_kill_9_loses_no_answered_charge(process, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    running = process("--ledger", ledger)
    caller = Caller(running.url)
    answered: list[str] = []

    def charge(worker: int) -> None:
        with httpx.Client(
            base_url=running.url, verify=WITHOUT_TLS, headers=caller.http.headers, timeout=60, trust_env=False
        ) as http:
            for number in range(100_000):
                uid = f"w{worker}n{number}"
                body = {"customer_uid": f"ok-{worker}", "merchant_uid": uid, "amount": 100}
                try:
                    answer = http.post("/subscribe/payments/again", json=body)
                except httpx.TransportError:
                    return
                assert answer.json()["response"]["status"] == "paid"
                answered.append(uid)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        charges = [pool.submit(charge, worker) for worker in range(4)]
        eventually(lambda: len(answered) > 300)
        running.kill()
        for one in charges:
            one.result(timeout=60)
    caller.http.close()
    again = Caller(process("--ledger", ledger).url)
    kept = {row["merchant_uid"] for row in again.ledger(limit=100_000)}
    assert set(answered) <= kept
    assert len(kept) <= len(answered) + 4
    again.http.close()


def test_what_was_promised_before_kill_9_still_happens_after_it(process, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    running = process("--ledger", ledger, "--late-after", "1.5", "--confirm-after", "1.5")
    caller = Caller(running.url)
    caller.again("late-approval-kim", "m1")
    wanted = {"customer_uid": "pw-kim", "merchant_uid": "m2", "amount": 5, **PAYMENTWALL_BUYER}
    caller.control("/paymentwall/issue", **wanted)
    item = {"merchant_uid": "s1", "schedule_at": int(time.time()) + 2, "amount": 5}
    caller.http.post("/subscribe/payments/schedule", json={"customer_uid": "ok-kim", "schedules": [item]})
    running.kill()
    caller.http.close()
    again = Caller(process("--ledger", ledger).url)
    eventually(lambda: {row["merchant_uid"] for row in again.ledger(status="paid")} == {"m1", "m2", "s1"})
    again.paid("pw-kim", "m3", **PAYMENTWALL_BUYER)
    again.http.close()


def test_a_torn_last_line_is_forgotten_and_cut_off(process, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    running = process("--ledger", ledger)
    caller = Caller(running.url)
    caller.paid("ok-kim", "m1")
    caller.http.close()
    running.kill()
    with ledger.open("ab") as file:
        file.write(b'{"kind":"payment","imp_uid":"imps_1","merchant')
    again = Caller(process("--ledger", ledger).url)
    assert [row["merchant_uid"] for row in again.ledger()] == ["m1"]
    again.paid("ok-kim", "m2")
    again.http.close()
    assert all(json.loads(line) for line in ledger.read_text().splitlines())


def test_a_ledger_that_is_damaged_or_in_use_is_one_line_and_status_1(process, tmp_path):
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_text('not a row\n{"kind":"payment"}\n')
    result = finished("--port", 0, "--ledger", damaged)
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert "line 1" in result.stderr
    process("--ledger", tmp_path / "ledger.jsonl")
    result = finished("--port", 0, "--ledger", tmp_path / "ledger.jsonl")
    assert result.returncode == 1
    assert result.stderr.endswith("is in use by another sandbox\n")


def test_a_port_in_use_is_one_line_and_status_1():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = finished("--port", taken.getsockname()[1])
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "in use" in result.stderr


@pytest.mark.parametrize("flags", [("--latency", "5"), ("--time-machine", "tomorrow"), ("--webhook-format", "xml")])
def test_a_wrong_flag_is_named(flags):
    result = finished(*flags)
    assert result.returncode == 2
    assert flags[0] in result.stderr


def test_help_tells_every_flag_and_the_time_machine_may_come_from_the_environment(process):
    assert "--time-machine" in finished("--help").stdout
    running = process(BILLING_TIME_MACHINE="2026-01-01T00:00:00+09:00 x1 @2026-01-01T00:00:00Z")
    now = httpx.get(f"{running.url}/_sandbox", timeout=60).json()
    assert now["real_now"] - now["now"] == pytest.approx(9 * 3600, abs=2)


def test_an_interrupt_in_the_middle_of_a_slow_call_ends_soon_and_charges_nothing(process, tmp_path):
    running = process("--ledger", tmp_path / "ledger.jsonl", "--slow-seconds", "60")
    caller = Caller(running.url)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(caller.again, "slow-kim", "m1")
        eventually(lambda: caller.http.get("/_sandbox/keys").json())  # the call has arrived
        assert running.stop() == 0
        assert isinstance(call.exception(timeout=60), httpx.TransportError) or call.result().status_code >= 500
    caller.http.close()
    again = Caller(process("--ledger", tmp_path / "ledger.jsonl").url)
    assert again.ledger() == []
    again.http.close()
