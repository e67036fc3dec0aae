"""Requests of a forger who knows everything but our secrets, and the state that they must not change."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from urllib.parse import quote, urlencode

import httpx
from web_calls import DEADLINE, SECRET, pingback
from web_helpers import RecordingDoorbell, serving, settings

from billing_worker import bootstrap
from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.web import create_app
from tests.support.plain_http import WITHOUT_TLS
from tests.support.world import World

MAY_GROW = frozenset({"inbox", "evidence", "alerts", "catch_up_buckets"})
"""Notifications, the gateway's answers about them, alerts, and budgets."""
OTHERS = {
    "outbox": "type NOT LIKE 'alert.%'",
    "event_streams": "id NOT LIKE 'alert_%'",
    "hourly_deltas": "measure <> 'notification'",
    "hourly_totals": "measure <> 'notification'",
}
"""Alerts may open, and tell; how long notifications waited is counted."""
STATUSES = ("paid", "failed", "ready", "cancelled", "settling", "refunded")
CLIENTS = 4

Sent = tuple[str, dict[str, str] | str]
"""A path, and fields for the body or a query string."""


@dataclass
class Town:
    """A merchant with customers in every state, and everything that a stranger could have learned."""

    world: World
    orders: list[str] = field(default_factory=list)
    """merchant_uids of ours."""
    payments: list[str] = field(default_factory=list)
    """imp_uids of payments of ours."""
    strangers: list[str] = field(default_factory=list)
    """imp_uids of foreign payments."""
    keys: list[str] = field(default_factory=list)
    genuine: list[str] = field(default_factory=list)
    """Pingbacks that were received and applied."""

    @classmethod
    def built(cls, world: World) -> "Town":
        """Active, pending, past due and unclear."""
        town = cls(world)
        for behaviour in ("ok", "decline-limit", "decline-stolen", "drop-before-charge", "error500", "comm-error"):
            for _ in range(2):
                world.subscribe(behaviour)
        for _ in range(2):
            _, waiting, _ = world.paymentwall_key()
            assert waiting is not None
            world.subscribe(key=waiting)
        customer_uid, _, issued = world.paymentwall_key(registered=False)
        town.strangers += [str(issued["imp_uid"])]
        world.renew_and_charge()
        confirmed, key, _ = world.paymentwall_key()
        assert key is not None
        world.sandbox.control("/paymentwall/confirm", customer_uid=confirmed)
        town.genuine += [pingback(uid=confirmed, ref="b7", type="0")]
        assert flood(world, [("/webhooks/paymentwall", town.genuine[0])])[0].text == "OK"
        applied(world, 1)
        town.keys = [row["customer_uid"] for row in world.rows("SELECT customer_uid FROM billing_keys")] + [
            customer_uid
        ]
        town.orders = [row["merchant_uid"] for row in world.rows("SELECT merchant_uid FROM invoices")]
        town.payments = [row["imp_uid"] for row in world.ledger() if row["merchant_uid"] in town.orders]
        return town

    def state(self) -> dict[str, list[str]]:
        """Every row of every table that a stranger must not move, as text."""
        names = [table.name for table in metadata.sorted_tables if table.name not in MAY_GROW]
        query = "SELECT t::text AS row FROM {} t WHERE {} ORDER BY 1"
        rows = {name: self.world.rows(query.format(name, OTHERS.get(name, "true"))) for name in names}
        return {name: [row["row"] for row in found] for name, found in rows.items()}

    def webhooks(self, rng: random.Random) -> Iterator[Sent]:
        """Forged webhooks without end."""
        while True:
            invented = rng.choice(("imp_", "imps_")) + f"{rng.randrange(10**12):012d}"
            order = rng.choice(self.orders)
            kinds = (
                (invented, f"order-{rng.randrange(10**9)}"),
                (invented, order),
                (rng.choice(self.strangers), order),
                (rng.choice(self.payments), order),
                (rng.choice(self.payments), f"{order[:-1]}9"),
                (rng.choice(self.strangers), f"order-{rng.randrange(10**9)}"),
            )
            # Few of those that are asked for again and again: the run has to end.
            imp_uid, merchant_uid = rng.choices(kinds, (1, 1, 4, 6, 4, 4))[0]
            fields = {"imp_uid": imp_uid, "merchant_uid": merchant_uid, "status": rng.choice(STATUSES)}
            if rng.random() < 0.3:
                fields["cancellation_id"] = f"c{rng.randrange(10**6)}"
            yield rng.choice(("/webhooks/portone", "/iamport-callback/schedule")), fields

    def pingbacks(self, rng: random.Random) -> Iterator[Sent]:
        """Forged, changed, downgraded and repeated pingbacks without end."""
        while True:
            known = {"uid": rng.choice(self.keys), "ref": f"b{rng.randrange(10**6)}"}
            query = pingback(**known, type=rng.choice(("0", "1", "2", "12", "201", "202", "220", "999")))
            name, sig = query.rpartition("&sig=")[::2]
            yield (
                "/webhooks/paymentwall",
                rng.choice(
                    (
                        name,
                        f"{name}&sig=",
                        f"{name}&sig={rng.randbytes(32).hex()}",
                        f"{name}&sig={sig[:-1]}{'0' if sig[-1] != '0' else '1'}",
                        f"{name}&sig={sig.upper()}",
                        query.replace("type=", "type=2"),
                        query.replace("sign_version=3", f"sign_version={rng.choice(('1', '2', '4', 'abc', ''))}"),
                        name.replace("sign_version=3", "sign_version=2")
                        + "&sig="
                        + hashlib.md5(name.encode()).hexdigest(),  # noqa: S324
                        query.replace("&sign_version=3", ""),
                        f"{query}&uid={rng.choice(self.keys)}",
                        rng.choice(self.genuine),
                    )
                ),
            )


SIGNED = {
    "uid": "user-1-card-1",
    "goodsid": "gold",
    "slength": "1",
    "speriod": "month",
    "type": "0",
    "ref": "b123",
    "is_test": "1",
    "sign_version": "3",
}


def shifted(values: dict[str, str]) -> Iterator[str]:
    """The same signed bytes, cut into other parameters: those of a pingback that is good."""
    names = sorted(values)
    for count in range(1, 4):
        for dropped in combinations(names[1:], count):
            merged: dict[str, str] = {}
            last = names[0]
            for name in names:
                if name in dropped:
                    merged[last] += f"{name}={values[name]}"
                else:
                    merged[name], last = values[name], name
            base = "".join(f"{name}={merged[name]}" for name in names if name in merged) + SECRET
            yield urlencode(merged | {"sig": hashlib.sha256(base.encode()).hexdigest()}, quote_via=quote)


def flood(world: World, sent: Sequence[Sent]) -> list[httpx.Response]:
    """Send all of it to a served application; the answers."""
    wanted = settings(database_url=world.database_url)
    verify = bootstrap.verify_pingback(wanted)
    app = create_app(world.ports, wanted, RecordingDoorbell(), verify, check_database=lambda: None)
    with serving(app) as url, httpx.Client(base_url=url, verify=WITHOUT_TLS, timeout=DEADLINE, trust_env=False) as http:

        def one(what: Sent) -> httpx.Response:
            path, content = what
            if isinstance(content, str):
                return http.get(f"{path}?{content}")
            return http.post(path, json=content) if len(content) % 2 else http.post(path, data=content)

        with ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(one, sent))


def applied(world: World, minutes: int) -> int:
    """Let the workers apply what came, for so many minutes of the world; the reads of the gateway that it took."""
    began = len(world.sandbox.requests("/payments/"))
    for _ in range(minutes * 2):
        while world.apply():
            pass
        world.clock.advance(seconds=30)
    return len(world.sandbox.requests("/payments/")) - began


def assert_nothing_changes(town: Town, *, requests: int, seed: int, minutes: int) -> int:
    """Send so many forged requests, let the workers apply them; the reads of the gateway that it took."""
    world, rng = town.world, random.Random(seed)
    before, position = town.state(), world.sandbox.position()
    webhooks, pingbacks = town.webhooks(rng), town.pingbacks(rng)
    sent = [next(webhooks) if rng.random() < 0.7 else next(pingbacks) for _ in range(requests)]
    answers = flood(world, sent)
    assert {answer.status_code for answer in answers} <= {200, 400, 403}
    for (path, content), answer in zip(sent, answers, strict=True):
        if path.endswith("paymentwall"):
            assert (answer.text == "OK") is (content in town.genuine), content
    reads = applied(world, minutes)
    assert town.state() == before
    assert world.sandbox.position() == position
    return reads
