"""What the nemesis will do and when: drawn from a seed before anything runs, so that a seed is a story."""

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.proxy import Fault

KILL_SHARE = 0.65
SPARE = 1.1
"""More kills are planned than requested: while all processes are down, none can be killed."""


class Act(StrEnum):
    """What can be done to a victim."""

    KILL = "kill"  # SIGKILL
    STOP = "stop"  # SIGSTOP, and SIGCONT after `seconds`
    TERM = "term"  # SIGTERM, as a deployment does
    FLUSH = "flush"  # FLUSHALL
    FAULT = "fault"  # on a link, for `seconds`


WORKERS, BEATS, RECEIVERS = ("worker1", "worker2"), ("beat1", "beat2"), ("receiver1", "receiver2")
SERVERS = ("redis", "postgres")
VICTIMS = {
    "worker1": 4,
    "worker2": 4,
    "beat1": 2,
    "beat2": 2,
    "receiver1": 2,
    "receiver2": 2,
    "redis": 2,
    "postgres": 2,
}
"""Who is killed or stopped, and how often relative to the others: money is in the workers' hands."""

NETWORK = (Fault.RESET, Fault.BLACKHOLE, Fault.LATENCY, Fault.SLOW, Fault.REFUSE)
HTTP = (
    Fault.CUT_REQUEST,
    Fault.CUT_REPLY,
    Fault.HOLD_REPLY,
    Fault.DUPLICATE_REQUEST,
    Fault.DUPLICATE_REPLY,
    Fault.ERROR_BEFORE,
    Fault.ERROR_AFTER,
)
GATEWAYS = {worker: f"gateway-{worker}" for worker in WORKERS}
LINKS: dict[str, tuple[Fault, ...]] = {
    "postgres": (*NETWORK, Fault.CUT_AFTER_COMMIT, Fault.CUT_AFTER_COMMIT),
    "redis": NETWORK,
    "webhooks": NETWORK,
} | dict.fromkeys(GATEWAYS.values(), (*NETWORK, *HTTP))

AMOUNTS = {Fault.LATENCY: 0.3, Fault.SLOW: 40_000.0, Fault.HOLD_REPLY: 6.0}
"""Seconds, bytes a second, seconds: the last is longer than the HTTP deadline of the run."""


@dataclass(frozen=True, slots=True)
class Step:
    """One act, `at` so many seconds from the beginning."""

    at: float
    act: Act
    target: str
    seconds: float = 0.0
    """How long a stop or a fault lasts; after a kill, how long the victim stays down."""
    fault: Fault | None = None

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.act} {self.target}{f' {self.fault}' if self.fault else ''}{lasting}"


def draw(seed: int, seconds: float, kills: int) -> list[Step]:
    """The steps of one run, with waits that are exponentially distributed and enough kills among them."""
    chance = random.Random(seed)
    wanted = max(kills + 1, round(kills * SPARE))
    acts = [Act.KILL] * wanted + [Act.FAULT] * round(wanted * (1 / KILL_SHARE - 1))
    for place, act in enumerate(acts[wanted:], wanted):
        acts[place] = chance.choices([Act.STOP, Act.TERM, Act.FLUSH, act], [3, 1, 1, 6])[0]
    chance.shuffle(acts)
    waits = [chance.expovariate(1) for _ in range(len(acts) + 1)]
    scale, at, steps = seconds / sum(waits), 0.0, []
    for act, wait in zip(acts, waits, strict=False):
        at += wait * scale
        steps.append(_step(chance, at, act))
    return steps


def _step(chance: random.Random, at: float, act: Act) -> Step:
    victim = chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
    match act:
        case Act.KILL:
            return Step(at, act, victim, chance.choice([0.0, 0.0, 0.0, chance.uniform(0.5, 5)]))
        case Act.STOP:
            return Step(at, act, victim, min(1 + chance.expovariate(1 / 4), 20))
        case Act.TERM:
            return Step(at, act, chance.choice([*WORKERS, *BEATS, *RECEIVERS]))
        case Act.FLUSH:
            return Step(at, act, "redis")
    link = chance.choices(list(LINKS), [2, 2, 1, 2, 2])[0]
    return Step(at, act, link, min(1 + chance.expovariate(1 / 3), 15), chance.choice(LINKS[link]))
