"""An operator's decisions about Paymentwall keys, from the command line and by HTTP's names."""

from cli_helpers import Command

from billing_worker.usecases.key import confirm
from tests.support.world import World

DOUBTFUL = 1000
"""Won: not what a plan costs."""


def test_the_email_and_the_issuing_payment_are_set_right_from_the_command_line(billing: Command, world: World) -> None:
    uid, key, issued = world.paymentwall_key(amount=DOUBTFUL, noted_email="other@example.com")
    assert key is not None
    subscription = world.subscribe(key=key)
    billing("key", "issuing-payment", key.id, "--counts-for-none").refuses(1, "is not known (yet)")
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.settle()
    assert "set-email" in billing("why", key.id).out
    refused = billing("key", "set-email", key.id, "--email", "thief@example.com")
    refused.refuses(2, "email", "t***@example.com")
    set_right = billing("key", "set-email", key.id, "--email", "gildong@example.com", "--json").json
    assert (set_right["status"], set_right["buyer_email"]) == ("pending", "gildong@example.com")
    assert confirm.confirm(world.ports, key.id)
    world.settle()
    shown = billing("key", "show", key.id, "--json").json
    assert (shown["status"], shown["issuing_payment"], shown["issuing_claim"]) == ("active", issued["imp_uid"], "open")
    billing("key", "issuing-payment", key.id).refuses(2, "counts_for", "give one")
    billing("key", "issuing-payment", key.id, "--counts-for", "sub_nobody").refuses(2, "counts_for")
    said = billing("key", "issuing-payment", key.id, "--counts-for", subscription.id)
    assert f"counts for {subscription.id}" in said.out
    world.settle()
    invoice = world.invoice(subscription)
    assert invoice.status == "void"
    assert "Nothing is owed: covered by payment" in billing("why", invoice.id).out
    billing("key", "issuing-payment", key.id, "--counts-for-none").refuses(1, "paid for")
