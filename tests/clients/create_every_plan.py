"""Runs in the environment of the generated Python client: URL TOKEN. Creates every kind of plan, and subscribes."""

import json
import sys

from billing_worker_client import AuthenticatedClient
from billing_worker_client.api.billing_keys import register_billing_key
from billing_worker_client.api.plans import create_plan, list_plans
from billing_worker_client.api.subscriptions import subscribe
from billing_worker_client.models import KeyInput, PlanInput, PlanView, Problem, SubscriptionInput
from billing_worker_client.models.unit import Unit

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2])
wanted = [PlanInput(name=f"every {unit.value}", amount=9900, currency="KRW", interval=unit) for unit in Unit]
wanted += [
    PlanInput(name="every 3 months", amount=1999, currency="USD", interval=Unit.MONTH, interval_count=3),
    PlanInput(name="month end", amount=9900, currency="KRW", cron="0 9 L * *"),
    PlanInput(name="weekdays", amount=100, currency="KRW", cron="0 9 * * 1-5", timezone="UTC", dunning_days=[]),
]
for number, plan in enumerate(wanted):
    made = create_plan.sync(client=client, body=plan, idempotency_key=f"plan-{number}")
    assert isinstance(made, PlanView), made
again = create_plan.sync(client=client, body=wanted[0], idempotency_key="plan-0")
refused = create_plan.sync(client=client, body=PlanInput(name="", amount=1, currency="KRW", interval=Unit.DAY))
assert isinstance(refused, Problem), refused
key = register_billing_key.sync(client=client, body=KeyInput(customer_uid="card-1", pg_provider="nice_v2"))
listed = list_plans.sync(client=client, limit=100)
body = SubscriptionInput(plan_id=again.id, billing_key_id=key.id, customer="user-1")
subscribed = subscribe.sync(client=client, body=body, idempotency_key="subscribe-1")
print(  # noqa: T201 - what the test reads
    json.dumps(
        {
            "plans": sorted(plan.name for plan in listed.data),
            "field": refused.field,
            "customer": subscribed.customer,
        }
    )
)
