"""One night, hour by hour: what the operator's commands print is true, also while much is broken.

`pytest -s` shows each screen.
"""

import base64
import re
from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from cli_helpers import Command

from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.presence import Role, Sign
from billing_worker.domain.queues import Queue
from billing_worker.usecases.control.watch import attend
from billing_worker.usecases.incoming.tidy import INBOX, tidy
from tests.support.deliveries import Crash
from tests.support.gateways import Around
from tests.support.receivers import Merchant
from tests.support.sandbox import Sandbox
from tests.support.world import World

pytestmark = pytest.mark.long

SEOUL = ZoneInfo("Asia/Seoul")
EVENING = timedelta(hours=13)
"""From the world's start, 09:00 in Seoul on 31 January, until 22:00."""
A_SIGN = timedelta(seconds=30)
EACH_HOUR = 4
QUEUES = tuple(queue.value for queue in Queue)


class KilledAfterTheCall(Around):
    """A worker that dies when its charge was made and nothing is written yet."""

    def charge(self, request: ChargeRequest) -> Outcome:
        super().charge(request)
        raise Crash


class Night:
    """An installation with two workers, and an operator who looks once an hour."""

    def __init__(self, world: World, run: Command, show: Callable[[str], None]) -> None:
        self.show = show
        self.merchant = Merchant()
        self.world = world.with_ports(notifier=self.merchant)
        self.run = run
        self.alive = {"web@a": Role.WEB, "celery@a": Role.WORKER, "celery@b": Role.WORKER, "beat@a": Role.BEAT}
        self.monthly = self.world.plan()
        self.heard = world.first_order

    def due_in(self, hours: int, behaviour: str = "ok", count: int = EACH_HOUR) -> None:
        """Customers whose first period begins that many hours after 22:00."""
        begins = self.world.clock.now() + timedelta(hours=hours, minutes=1)
        for _ in range(count):
            self.world.subscribe(behaviour, plan=self.monthly, start=begins)

    def pass_an_hour(self, *, killed: str | None = None) -> str:
        """Three minutes at the begin of an hour and five at its end, and the screen then.

        Before the latter a worker may be killed in the midst of a charge.
        """
        ends = self.world.clock.now() + timedelta(hours=1)
        self._pass(5)
        self.world.clock.advance_to(ends - timedelta(minutes=5))
        if killed is not None:
            self._kill(killed)
        self._pass(10)
        return self.screen()

    def _pass(self, signs: int) -> None:
        for number in range(signs):
            self.world.clock.advance_to(self.world.clock.now() + A_SIGN)
            self.give_signs()
            if number % 3 == 1:
                self.world.tick()
                self.hear_of_payments()
        self.world.settle()
        tidy(self.world.ports, INBOX)

    def hear_of_payments(self) -> None:
        """PortOne's webhooks of what was paid since."""
        for row in self.world.sandbox.ledger(self.heard):
            self.heard = row["order"]
            if row["status"] == "paid":
                self.world.webhook(row["imp_uid"], row["merchant_uid"])

    def _kill(self, name: str) -> None:
        del self.alive[name]
        self.world.subscribe(plan=self.monthly)
        dying = self.world.with_ports(gateway=KilledAfterTheCall(self.world.ports.gateway))
        with pytest.raises(Crash):
            dying.renew_and_charge()

    def give_signs(self) -> None:
        for name, role in self.alive.items():
            rung = 1.0 if role is Role.BEAT else None
            attend(self.world.ports, Sign(name, role, rung=rung, queues=QUEUES if role is Role.WORKER else ()))

    def screen(self) -> str:
        """What the operator sees."""
        seen = [self.run(*words) for words in (("report",), ("alert", "list"))]
        assert [each.status for each in seen] == [0, 0], seen
        text = "\n".join(each.out for each in seen)
        self.show(f"\n=== {self.world.clock.now().astimezone(SEOUL):%H:%M} in Seoul ===\n{text}")
        return text


@pytest.fixture
def night(
    world: World,
    billing: Command,
    with_gateway: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Night:
    """22:00 in Seoul, all well; the operator's commands show the world's time."""
    assert with_gateway is world.sandbox
    monkeypatch.setenv("BILLING_EVENTS_URL", "https://shop.example/events")
    monkeypatch.setenv("BILLING_EVENTS_SECRET", "whsec_" + base64.b64encode(bytes(32)).decode())
    monkeypatch.setattr("billing_worker.bootstrap.server_time", lambda _engine: world.clock.now())
    world.clock.advance_to(world.clock.now() + EVENING)
    capsys: pytest.CaptureFixture[str] = request.getfixturevalue("capsys")
    is_shown = request.config.getoption("capture") == "no"

    def show(screen: str) -> None:
        if is_shown:
            with capsys.disabled():
                print(screen)  # noqa: T201 - `pytest -s` is asked to show the night

    return Night(world, billing, show)


def figure(screen: str, name: str) -> int:
    found = re.search(rf"^{name} +(\d+)", screen, re.MULTILINE)
    assert found, f"{name} is not on the screen:\n{screen}"
    return int(found[1])


def alerts(screen: str) -> dict[str, str]:
    """Kind and subject of each open alert on the screen."""
    return dict(re.findall(r"^ *\d+ +(?:critical|warning|info) +(\w+) +(\S+)", screen, re.MULTILINE))


def paid(screen: str) -> int:
    return sum(int(count) for count in re.findall(r"^20\d\d-\d\d +\d+ +(\d+)", screen, re.MULTILINE))


def test_the_screen_of_each_hour_is_true(night: Night) -> None:
    for hour in range(9):
        night.due_in(hour)
    night.due_in(6, "decline-limit-always", 24)

    screen = night.pass_an_hour()  # all is well
    assert (paid(screen), figure(screen, "undelivered events"), alerts(screen)) == (4, 0, {})

    night.merchant.trouble = "HTTP 503"
    screen = night.pass_an_hour()
    assert (paid(screen), alerts(screen)) == (8, {})
    assert figure(screen, "undelivered events") == 8

    with night.world.sandbox.outage("error503"):
        screen = night.pass_an_hour()
        assert (paid(screen), figure(screen, "unknown"), figure(screen, "open stops")) == (8, 4, 0)
        screen = night.pass_an_hour()
    assert (paid(screen), figure(screen, "unknown"), figure(screen, "open stops")) == (8, 8, 1)
    assert [*alerts(screen)] == ["stopped"]

    screen = night.pass_an_hour()  # PortOne is back
    assert (paid(screen), figure(screen, "unknown"), figure(screen, "open stops")) == (20, 0, 0)
    assert alerts(screen) == {}

    screen = night.pass_an_hour(killed="celery@b")
    assert (paid(screen), figure(screen, "unknown"), figure(screen, "in flight")) == (25, 0, 0)
    assert alerts(screen) == {"process_silent": "celery@b"}

    screen = night.pass_an_hour()
    assert (paid(screen), figure(screen, "in dunning")) == (29, 24)
    assert alerts(screen) == {"declines_rise": "nice_v2"}
    assert "24 of 28" in screen

    night.merchant.trouble = None
    screen = night.pass_an_hour()
    assert (paid(screen), figure(screen, "undelivered events")) == (33, 0)

    screen = night.pass_an_hour()
    assert paid(screen) == len(night.world.money()) == 37
    night.world.assert_books_agree()
