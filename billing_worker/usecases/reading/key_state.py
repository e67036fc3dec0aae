"""The state of a billing key, in words of `why`."""

from billing_worker.domain.alerts import Action, WayOut
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.ports.storage import UnitOfWork
from billing_worker.texts.words import Words, together
from billing_worker.usecases.reading.refund_state import State
from billing_worker.usecases.reading.waits import last_month, missing_of, ways_to_confirm


def state_of_key(uow: UnitOfWork, key: BillingKey, words: Words) -> State:
    """Whether a key may be charged, and what follows."""
    match key.status:
        case KeyStatus.PENDING:
            answer = words.say("why.key.pending", missing=missing_of(uow, key, words))
            return State(answer, words.say("why.key.pending.next"), ways_to_confirm(key))
        case KeyStatus.ACTIVE:
            since = words.say("why.key.active", day=words.day(key.activated_at))
            return State(together(since, last_month(key, words)), words.say("why.key.active.next"))
        case _:
            dead = "dead" if key.invalid_reason is None else "dead_because"
            reason = words.reason(key.invalid_reason)
            answer = words.say(f"why.key.{dead}", status=words.of(key.status), reason=reason)
            return State(answer, words.say("why.key.dead.next"), (WayOut(Action.SET_SUBSCRIPTION_KEY),))
