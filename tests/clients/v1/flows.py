"""Runs in an environment of V1 client libraries from PyPI: LIBRARY URL NOW. Prints what each step of the story told."""

import asyncio
import json
import sys

from async_iamport import AsyncIamport
from async_iamport import ResponseError as AsyncRefusal
from iamport import Iamport
from iamporter import Iamporter
from iamporter.errors import ImpApiError, ImpUnAuthorized

KEYS = {"imp_key": "imp_key_sandbox", "imp_secret": "imp_secret_sandbox"}
CARD = {"card_number": "4242-4242-4242-4242", "expiry": "2030-12", "birth": "900101", "pwd_2digit": "00"}
LIBRARY, URL, NOW = sys.argv[1], sys.argv[2], int(sys.argv[3])


class RestClient:
    """iamport-rest-client: PortOne's own."""

    def __init__(self, **keys):
        self.api = Iamport(imp_url=f"{URL}/", **keys)

    def call(self, method, /, *args, **kwargs):
        try:
            return getattr(self.api, method)(*args, **kwargs)
        except Iamport.ResponseError as refusal:
            return {"refused": refusal.message}
        except Iamport.HttpError as refusal:
            return {"refused": refusal.code}

    def token(self):
        return self.call("get_headers")

    def issue(self, uid):
        return self.call("customer_create", customer_uid=uid, **CARD)

    def read(self, uid):
        return self.call("customer_get", uid)

    def delete(self, uid):
        return self.call("customer_delete", uid)

    def onetime(self, **fields):
        return self.call("pay_onetime", **CARD, **fields)

    def again(self, **fields):
        return self.call("pay_again", **fields)

    def cancel(self, imp_uid, **fields):
        return self.call("cancel", "asked", imp_uid=imp_uid, **fields)

    def find(self, merchant_uid):
        return self.call("find", merchant_uid=merchant_uid)

    def schedule(self, uid, schedules):
        return self.call("pay_schedule", customer_uid=uid, schedules=schedules)

    def scheduled(self, merchant_uid):
        return self.call("pay_schedule_get", merchant_uid)

    def unschedule(self, **fields):
        return self.call("pay_unschedule", **fields)


class AsyncClient(RestClient):
    """async-iamport: the same names, as coroutines."""

    def __init__(self, **keys):
        self.loop = asyncio.new_event_loop()
        self.api = self.loop.run_until_complete(self.connected(keys))

    async def connected(self, keys):
        return AsyncIamport(imp_url=URL, **keys)

    def call(self, method, /, *args, **kwargs):
        try:
            return self.loop.run_until_complete(getattr(self.api, method)(*args, **kwargs))
        except AsyncRefusal as refusal:
            return {"refused": refusal.message}
        except Exception as refusal:  # noqa: BLE001 - its HttpError; any other one fails the judgement
            return {"refused": getattr(refusal, "code", repr(refusal))}

    def token(self):
        return self.call("_get_auth_headers")


class Porter:
    """iamporter: forms instead of JSON, and no schedules."""

    def __init__(self, **keys):
        try:
            self.api = Iamporter(imp_url=URL, **keys)
        except ImpUnAuthorized as refusal:
            self.api, self.problem = None, refusal.message

    def call(self, method, /, **kwargs):
        try:
            return getattr(self.api, method)(**kwargs)
        except ImpApiError as refusal:
            return {"refused": refusal.response.message}

    def token(self):
        return {"refused": self.problem} if self.api is None else {"Authorization": self.api.imp_auth.token}

    def issue(self, uid):
        return self.call("create_billkey", customer_uid=uid, **CARD)

    def read(self, uid):
        return self.call("find_billkey", customer_uid=uid)

    def delete(self, uid):
        return self.call("delete_billkey", customer_uid=uid)

    def onetime(self, **fields):
        return self.call("create_payment", **CARD, **fields)

    def again(self, **fields):
        return self.call("create_payment", **fields)

    def cancel(self, imp_uid, amount=None, **_):
        return self.call("cancel_payment", imp_uid=imp_uid, amount=amount, reason="asked")

    def find(self, merchant_uid):
        return self.call("find_payment", merchant_uid=merchant_uid)


def story(client, told):
    """Key, onetime, again, cancel: every library has them."""
    card, name = f"card-{LIBRARY}", "구독"
    told["issued"] = client.issue(card)["card_number"]
    told["read"] = client.read(card)["card_number"]
    kept = f"kept-{LIBRARY}"
    once = {"merchant_uid": f"once-{LIBRARY}", "amount": 1000, "name": name, "customer_uid": kept}
    told["onetime"] = client.onetime(**once)["status"]
    told["kept"] = client.again(**once | {"merchant_uid": kept})["status"]
    order = {"customer_uid": card, "merchant_uid": f"again-{LIBRARY}", "amount": 8900, "name": name}
    paid = client.again(**order)
    told["again"] = paid["status"]
    told["twice"] = client.again(**order)["refused"]
    failed = client.again(**order | {"customer_uid": f"decline-limit-{LIBRARY}", "merchant_uid": f"failed-{LIBRARY}"})
    told["declined"] = failed.get("refused") or failed["fail_reason"]
    told["part"] = client.cancel(paid["imp_uid"], amount=900, checksum=8900)["cancel_amount"]
    told["rest"] = client.cancel(paid["imp_uid"])["cancel_amount"]
    told["nothing left"] = client.cancel(paid["imp_uid"])["refused"]
    told["found"] = client.find(order["merchant_uid"])["status"]
    told["deleted"] = client.delete(card)["customer_uid"]
    told["gone"] = client.again(**order | {"merchant_uid": f"gone-{LIBRARY}"})["refused"]


def schedules(client, told):
    """Schedule three, and revoke two of them, in both ways."""
    uid, other = f"ok-{LIBRARY}", f"ok-other-{LIBRARY}"
    far = [{"merchant_uid": f"far-{n}-{LIBRARY}", "schedule_at": NOW + 3600, "amount": 100} for n in range(2)]
    told["scheduled"] = [one["schedule_status"] for one in client.schedule(other, far)]
    told["planned"] = client.scheduled(far[0]["merchant_uid"])["schedule_status"]
    by_id = client.unschedule(customer_uid=other, merchant_uid=far[0]["merchant_uid"])
    by_key = client.unschedule(customer_uid=other)
    told["revoked"] = [one["merchant_uid"] for one in by_id + by_key]
    told["none left"] = client.unschedule(customer_uid=other)["refused"]
    soon = {"merchant_uid": f"soon-{LIBRARY}", "schedule_at": NOW + 7200, "amount": 300}
    told["soon"] = client.schedule(uid, [soon])[0]["schedule_status"]


client = {"iamport-rest-client": RestClient, "async-iamport": AsyncClient, "iamporter": Porter}[LIBRARY]
stranger = client(imp_key=KEYS["imp_key"], imp_secret="wrong")
told = {"stranger": stranger.token()["refused"]}
ours = client(**KEYS)
story(ours, told)
if hasattr(ours, "schedule"):
    schedules(ours, told)
print(json.dumps(told))  # noqa: T201 - what the test reads
