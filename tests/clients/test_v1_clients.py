"""V1 client libraries of others run their flows against the sandbox: what they understood, and what the books hold.

They are installed for the test alone, at locked versions: they want other versions of libraries than the worker does.
Where Node.js or a registry is missing the test is skipped, and says so; under continuous integration it fails.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from installing import PATIENCE, environment, install, missing, run

from tests.support.sandbox import IMP_KEY, IMP_SECRET, Sandbox, running_sandbox

HERE = Path(__file__).parent / "v1"
FROM_PYPI = ("iamport-rest-client", "async-iamport", "iamporter")
FROM_NPM = ("iamport-rest-client-nodejs", "iamport", "iamporter")

NO_SCHEDULES = {"scheduled", "planned", "listed", "revoked", "none left", "soon", "payments"}
LACKS = {
    ("pypi", "iamport-rest-client"): {"listed", "payments"},
    ("pypi", "async-iamport"): {"listed", "payments"},
    ("pypi", "iamporter"): NO_SCHEDULES,
    ("npm", "iamport-rest-client-nodejs"): set(),
    ("npm", "iamport"): {"planned", "listed", "payments"},
    ("npm", "iamporter"): NO_SCHEDULES,
}
"""Steps for which a library has no call."""
HIDES_WORDS = {
    ("pypi", "iamport-rest-client"): 401,
    ("pypi", "async-iamport"): 401,
    ("npm", "iamport"): "401",
    ("npm", "iamporter"): "아임포트 API 인증에 실패하였습니다.",
}
"""What a library tells of a refusal that comes with another HTTP status than 200: not the gateway's words."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * PATIENCE)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the flows with the libraries from PyPI."""
    options = ("--only-binary", ":all:", "--require-hashes", "-r", str(HERE / "requirements.txt"))
    return [environment(tmp_path_factory.mktemp("pypi"), *options), str(HERE / "flows.py")]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the flows with the libraries from npm."""
    if shutil.which("npm") is None:
        missing("Node.js and npm are not installed here")
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json", "flows.js"):
        shutil.copy(HERE / name, folder)
    install(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    return ["node", "--no-deprecation", str(folder / "flows.js")]


def expected(registry: str, library: str) -> dict[str, Any]:
    """What every library should understand, in the gateway's words."""
    whole = {
        "stranger": HIDES_WORDS.get((registry, library), "인증에 실패하였습니다. API키와 secret을 확인하세요."),
        "issued": "424242******4242",
        "read": "424242******4242",
        "onetime": "paid",
        "kept": "paid",
        "again": "paid",
        "twice": "이미 주문이 이루어진 건입니다. (동일한 merchant_uid로 결제 또는 취소된 기록이 있습니다)",
        "declined": "[400]Error From NICEPAY. (message: 한도초과, code:3095)",
        "part": 900,
        "rest": 8900,
        "nothing left": "이미 전액취소된 주문입니다.",
        "found": "cancelled",
        "deleted": f"card-{library}",
        "gone": "등록되지 않은 구매자입니다.",
        "scheduled": ["scheduled", "scheduled"],
        "planned": "scheduled",
        "listed": 2,
        "revoked": [f"far-0-{library}", f"far-1-{library}"],
        "none left": "취소할 예약결제 기록이 존재하지 않습니다.",
        "soon": "scheduled",
        "payments": 1,
    }
    return {step: told for step, told in whole.items() if step not in LACKS[registry, library]}


def bring_forward(sandbox: Sandbox, merchant_uid: str) -> None:
    """Move a schedule to the next seconds: a story does not wait for hours."""
    keys = {"imp_key": IMP_KEY, "imp_secret": IMP_SECRET}
    token = sandbox.http.post("/users/getToken", json=keys).json()["response"]["access_token"]
    path, headers = f"/subscribe/payments/schedule/{merchant_uid}", {"Authorization": token}

    def moved() -> bool:  # on a busy machine the second may be over when the call arrives
        soon = {"schedule_at": int(sandbox.http.get("/_sandbox").json()["now"]) + 2}
        return sandbox.http.put(path, json=soon, headers=headers).json()["code"] == 0

    eventually(moved)


def eventually(probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def judge(sandbox: Sandbox, registry: str, library: str, command: list[str], folder: Path) -> None:
    """Run a story, and compare what was told, and the money in the books, with what should be."""
    now = int(sandbox.http.get("/_sandbox").json()["now"])
    printed = run([*command, library, sandbox.url, str(now)], folder)
    assert json.loads(printed.strip().splitlines()[-1]) == expected(registry, library)
    money = [
        ("once", "paid", 1000, 0),
        ("kept", "paid", 1000, 0),
        ("again", "cancelled", 8900, 8900),
        ("failed", "failed", 8900, 0),
    ]
    if "soon" not in LACKS[registry, library]:
        bring_forward(sandbox, f"soon-{library}")
        money.append(("soon", "paid", 300, 0))
    eventually(lambda: len(sandbox.ledger()) >= len(money))
    held = [(row["merchant_uid"], row["status"], row["amount"], row["cancel_amount"]) for row in sandbox.ledger()]
    assert held == [(f"{name}-{library}", *rest) for name, *rest in money]


@pytest.mark.parametrize("library", FROM_PYPI)
def test_a_client_library_from_pypi(library: str, python: list[str], tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        judge(sandbox, "pypi", library, python, tmp_path)


@pytest.mark.parametrize("library", FROM_NPM)
def test_a_client_library_from_npm(library: str, node: list[str], tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        judge(sandbox, "npm", library, node, tmp_path)
