"""A calendar month of several customers, by mail and by webhook, with nights: the whole sequence that each heard."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.notices.notice import Channel
from billing_worker.domain.notices.switches import DEFAULT_KINDS
from billing_worker.domain.pg_limits import SEOUL, Quiet
from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.support.heard import Ear, contradictions, noticing, telling
from tests.support.world import World

EVENING = datetime(2026, 2, 1, 22, 0, tzinfo=SEOUL)
MORNING = timedelta(hours=10)
"""From the charge at 22:00 to the end of the quiet hours at 08:00."""


@dataclass
class Diary:
    """The morning at which each customer heard what; the mail and the webhook say the same."""

    told: World
    ears: dict[Channel, Ear]
    heard: defaultdict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    seen: int = 0

    def note(self) -> None:
        at = self.told.clock.now().astimezone(SEOUL)
        for letter in self.ears[Channel.MAIL].heard[self.seen :]:
            self.heard[letter.customer].append((f"{at:%m-%d %H:%M}", str(letter.kind)))
        self.seen = len(self.ears[Channel.MAIL].heard)


def test_a_month_of_declines_and_recoveries(world: World) -> None:
    ears = {Channel.MAIL: Ear(), Channel.WEBHOOK: Ear()}
    told = telling(world, noticing(ears, kinds=f"{DEFAULT_KINDS},upcoming=3", quiet=Quiet(time(21), time(8))))
    told.clock.advance_to(EVENING)
    plan = told.plan()

    def customer(name: str, behaviour: str) -> Subscription:
        key = told.key(behaviour, buyer_name="홍길동", buyer_email=f"{name}@example.com")
        return told.subscribe(plan=plan, key=key, customer=name)

    for name, behaviour in (
        ("pays", "ok"),
        ("pays on the second day", "decline-limit-1x"),
        ("pays on the last try", "decline-balance-4x"),
        ("never pays", "decline-limit"),
        ("is not known at first", "drop-after-charge-1x"),
    ):
        customer(name.replace(" ", "-"), behaviour)
    lost, leaves = customer("lost", "decline-stolen"), customer("leaves", "decline-limit")
    changes = customer("changes", "decline-stolen")
    diary = Diary(told, ears)
    for day in (0, 1, 3, 4, 5, 9, 13, 14, 15, 16, 24, 25, 26):
        told.clock.advance_to(EVENING + timedelta(days=day))
        if day == 3:
            told.cancel(leaves)
        if day == 5:
            new: BillingKey = told.key("ok", buyer_email="changes@example.com")
            replace_key(told.ports, changes.id, new.id)
        told.settle()
        diary.note()
        told.clock.advance_to(EVENING + timedelta(days=day) + MORNING)
        told.settle()
        diary.note()

    assert diary.heard == {
        "pays": [("02-27 08:00", "upcoming")],
        "pays-on-the-second-day": [
            ("02-02 08:00", "failed"),
            ("02-03 08:00", "recovered"),
            ("02-27 08:00", "upcoming"),
        ],
        "pays-on-the-last-try": [
            ("02-02 08:00", "failed"),
            ("02-03 08:00", "failed"),
            ("02-06 08:00", "failed"),
            ("02-11 08:00", "last_warning"),
            ("02-18 08:00", "recovered"),
            ("02-27 08:00", "upcoming"),
        ],
        "never-pays": [
            ("02-02 08:00", "failed"),
            ("02-03 08:00", "failed"),
            ("02-06 08:00", "failed"),
            ("02-11 08:00", "last_warning"),
            ("02-18 08:00", "given_up"),
        ],
        "is-not-known-at-first": [("02-27 08:00", "upcoming")],
        "lost": [("02-02 08:00", "failed"), ("02-16 08:00", "last_warning"), ("02-18 08:00", "given_up")],
        "leaves": [("02-02 08:00", "failed"), ("02-03 08:00", "failed")],
        "changes": [("02-02 08:00", "failed"), ("02-07 08:00", "recovered"), ("02-27 08:00", "upcoming")],
    }
    by_mail, by_webhook = ([(each.customer, each.kind) for each in ear.heard] for ear in ears.values())
    assert sorted(by_mail) == sorted(by_webhook)
    for ear in ears.values():
        assert not contradictions(ear.heard)
    assert told.subscription(lost).status == "unpaid"
    told.assert_books_agree()
