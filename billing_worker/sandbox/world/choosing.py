"""A customer_uid spells its behaviour: `[<channel>-]<behaviour>[-<K>x]-<anything>`.

`kcp-decline-limit-2x-kim` is a KCP key whose first two `again` calls are declined and whose later calls are approved.
After `<K>x-` another behaviour may follow: `decline-limit-2x-drop-after-charge-1x-kim`.
"""

import re
from functools import lru_cache

from billing_worker.sandbox.texts import CHANNELS, DEFAULT_PROVIDER
from billing_worker.sandbox.world.behaviours import BEHAVIOURS, BY_CARD, OK, Behaviour

NAMES = sorted(BEHAVIOURS, key=len, reverse=True)  # the longest first: `error500-charged` before `error500`
TIMES = re.compile(r"(\d+)x(?:-|$)")
Stage = tuple[Behaviour, int | None]  # a behaviour and its number of calls; None: all calls


@lru_cache(maxsize=200_000)
def spelled(customer_uid: str) -> tuple[str | None, tuple[Stage, ...]]:
    """Return the channel and the stages that a customer_uid spells; (None, ()) if it spells none."""
    token, _, rest = customer_uid.partition("-")
    provider = CHANNELS.get(token) if rest else None
    stages = _stages(rest if provider else customer_uid)
    if provider and not stages:
        stages = ((OK, None),)
    return provider, stages


def _stages(text: str) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    while True:
        behaviour = next((BEHAVIOURS[name] for name in NAMES if text == name or text.startswith(name + "-")), None)
        if behaviour is None:
            break
        text = text[len(behaviour.name) + 1 :]
        times = TIMES.match(text)
        if times is None:
            stages.append((behaviour, None))
            break
        stages.append((behaviour, int(times[1])))
        text = text[times.end() :]
    return tuple(stages)


def counts_calls(customer_uid: str) -> bool:
    """Whether the behaviour of this customer_uid depends on the number of earlier charges."""
    return any(times is not None for _, times in spelled(customer_uid)[1])


def chosen(customer_uid: str, card_number: str, calls_before: int) -> Behaviour:
    """Return the behaviour by prefix, else by the card used at issuance, else approval."""
    _, stages = spelled(customer_uid)
    for behaviour, times in stages:
        if times is None or calls_before < times:
            return behaviour
        calls_before -= times
    if stages:
        return OK
    return BY_CARD.get(card_number.replace("-", ""), OK)


def provider_of(customer_uid: str, pg: str | None) -> str:
    """Return the PG of a new key: the requested one (`nice_v2.MID`), else the spelled one, else the default."""
    asked = (pg or "").partition(".")[0]
    return asked or spelled(customer_uid)[0] or DEFAULT_PROVIDER
