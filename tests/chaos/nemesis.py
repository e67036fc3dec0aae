"""Carries out the plan, and undoes each act when its time is over."""

import heapq
import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import redis

from tests.chaos.fleet import Program, Server
from tests.chaos.plan import AMOUNTS, GATEWAYS, LINKS, Act, Step
from tests.chaos.proxy import Fault, Proxy, Toxic
from tests.chaos.watch import Watch

HTTP_SHARE = 0.5
"""Of the requests, while an HTTP fault is on a link: what is asked again may be answered."""
COMMIT_SHARE = 0.2
PATIENCE = 15.0
"""Seconds that a process asked to end is given."""


@dataclass
class Nemesis:
    """One run's worth of misfortune."""

    steps: Sequence[Step]
    victims: Mapping[str, Program | Server]
    proxy: Proxy
    watch: Watch
    log: Callable[[Step, str], None]
    kills: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    _undo: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _next: int = 0
    _serial: "itertools.count[int]" = field(default_factory=itertools.count)
    _faults: dict[str, Step] = field(default_factory=dict)

    def act(self, elapsed: float) -> None:
        """Do all due acts."""
        while self._undo and self._undo[0][0] <= time.monotonic():
            heapq.heappop(self._undo)[2]()
        while self._next < len(self.steps) and self.steps[self._next].at <= elapsed:
            step = self.steps[self._next]
            self._next += 1
            done = self._do(step)
            if done:
                self.acts[f"{step.act} {step.fault}" if step.fault else step.act] += 1
            self.log(step, "done" if done else "nobody there")

    def heal(self) -> None:
        """Every fault off, no process stopped."""
        self._undo.clear()
        self._faults.clear()
        for name in LINKS:
            self.proxy.set(name, None)
        for victim in self.victims.values():
            victim.signal(signal.SIGCONT)

    def _do(self, step: Step) -> bool:
        match step.act:
            case Act.KILL:
                return self._kill(step)
            case Act.STOP:
                return self._stop(step)
            case Act.TERM:
                return self._term(step)
            case Act.FLUSH:
                return self._flush()
        return self._break(step)

    def _kill(self, step: Step) -> bool:
        """Kill the victim; where that one is down, the next one that is not."""
        names = list(self.victims)
        first = names.index(step.target)
        return any(self._killed(name, step.seconds) for name in (*names[first:], *names[:first]))

    def _killed(self, name: str, down: float) -> bool:
        gateway = GATEWAYS.get(name)
        under_way = list(self.proxy.links[gateway].under_way) if gateway else []
        if not self.victims[name].kill(down):
            return False
        self.kills[name] += 1
        self.watch.killed(under_way)
        return True

    def _stop(self, step: Step) -> bool:
        victim = self.victims[step.target]
        if not victim.signal(signal.SIGSTOP):
            return False
        self._later(step.seconds, lambda: victim.signal(signal.SIGCONT))
        return True

    def _term(self, step: Step) -> bool:
        victim = self.victims[step.target]
        assert isinstance(victim, Program)
        if not victim.term():
            return False
        victim.signal(signal.SIGCONT)  # one that is stopped could not hear it
        life = victim.lives
        # Who does not go in time is killed, as a deployment does it.
        self._later(PATIENCE, lambda: victim.lives == life and victim.kill(0))
        return True

    def _flush(self) -> bool:
        try:
            with redis.Redis.from_url(self.watch.broker_url, socket_timeout=1, socket_connect_timeout=1) as client:
                client.flushall()
        except redis.RedisError:
            return False
        return True

    def _break(self, step: Step) -> bool:
        assert step.fault is not None
        http = step.target in GATEWAYS.values()
        share = COMMIT_SHARE if step.fault is Fault.CUT_AFTER_COMMIT else HTTP_SHARE if http else 1.0
        self.proxy.set(step.target, Toxic(step.fault, AMOUNTS.get(step.fault, 0.0), share))
        self._faults[step.target] = step
        self._later(step.seconds, lambda: self._mend(step))
        return True

    def _mend(self, step: Step) -> None:
        if self._faults.get(step.target) is step:  # no other fault took its place meanwhile
            del self._faults[step.target]
            self.proxy.set(step.target, None)

    def _later(self, seconds: float, undo: Callable[[], object]) -> None:
        heapq.heappush(self._undo, (time.monotonic() + seconds, next(self._serial), undo))
