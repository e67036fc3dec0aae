"""Rules posted to the control endpoint: the behaviour of matching calls, and their number."""

import itertools
from dataclasses import asdict, dataclass, field
from typing import Any

from billing_worker.sandbox.world.behaviours import BEHAVIOURS, Behaviour, Webhook

ENDPOINTS = (
    "again", "onetime", "retry", "read", "cancel", "customers", "issue", "delete", "schedule", "prepare", "token",
    "delivery",
)  # fmt: skip
ANY = "any"


@dataclass(slots=True, kw_only=True)
class Rule:
    """A rule: the calls, the behaviour, the number of times."""

    behaviour: str
    endpoint: str = "again"
    customer_uid: str | None = None
    customer_uid_prefix: str | None = None
    merchant_uid: str | None = None
    merchant_uid_prefix: str | None = None
    nth: int | None = None  # only the nth matching call, counted from 1
    times: int | None = 1  # None: every matching call
    delay: float | None = None  # real seconds instead of options.slow_seconds, added to any behaviour
    late_after: float | None = None  # virtual seconds
    webhook: str | None = None
    fail_reason: str | None = None
    until: float | None = None  # real unix seconds after which the rule is void
    id: int = 0
    seen: int = 0
    fired: int = 0

    def matches(self, endpoint: str, customer_uid: str, merchant_uid: str) -> bool:
        """Whether a call matches this rule."""
        return (
            self.endpoint in (endpoint, ANY)
            and (self.customer_uid is None or self.customer_uid == customer_uid)
            and (self.merchant_uid is None or self.merchant_uid == merchant_uid)
            and (self.customer_uid_prefix is None or customer_uid.startswith(self.customer_uid_prefix))
            and (self.merchant_uid_prefix is None or merchant_uid.startswith(self.merchant_uid_prefix))
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A behaviour with the changes of a rule."""

    behaviour: Behaviour
    webhook: Webhook
    delay: float | None = None
    late_after: float | None = None
    fail_reason: str | None = None

    @classmethod
    def of(cls, behaviour: Behaviour, rule: Rule | None = None) -> "Plan":
        """Return the plan for a behaviour, with the changes of a rule, if any."""
        if rule is None:
            return cls(behaviour, behaviour.webhook)
        webhook = Webhook(rule.webhook) if rule.webhook else behaviour.webhook
        return cls(behaviour, webhook, rule.delay, rule.late_after, rule.fail_reason)


@dataclass(slots=True)
class Rules:
    """Rules in the order of their arrival: the first match decides."""

    rules: list[Rule] = field(default_factory=list)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def add(self, wanted: dict[str, Any]) -> Rule:
        """Add a posted rule; a ValueError names its problem."""
        known = set(Rule.__slots__) - {"id", "seen", "fired"}
        strange = sorted(set(wanted) - known)
        if strange:
            raise ValueError(f"a rule has no field {', '.join(strange)}; it has {', '.join(sorted(known))}")
        if wanted.get("behaviour") not in BEHAVIOURS:
            raise ValueError(f"unknown behaviour {wanted.get('behaviour')!r}; see GET /_sandbox/behaviours")
        if wanted.get("endpoint", "again") not in (*ENDPOINTS, ANY):
            raise ValueError(f"unknown endpoint {wanted['endpoint']!r}; one of {', '.join((*ENDPOINTS, ANY))}")
        if wanted.get("webhook") not in (None, *Webhook):
            raise ValueError(f"unknown webhook {wanted['webhook']!r}; one of {', '.join(Webhook)}")
        rule = Rule(**wanted)
        rule.id = next(self._ids)
        self.rules.append(rule)
        return rule

    def pick(self, endpoint: str, customer_uid: str, merchant_uid: str, now: float) -> Rule | None:
        """Return the rule for this call and count it."""
        if not self.rules:
            return None
        self.rules = [rule for rule in self.rules if rule.until is None or rule.until > now]
        chosen: Rule | None = None
        for rule in self.rules:
            if not rule.matches(endpoint, customer_uid, merchant_uid):
                continue
            rule.seen += 1
            if chosen is None and (rule.nth is None or rule.seen == rule.nth):
                chosen = rule
        if chosen is not None:
            chosen.fired += 1
            if (chosen.times is not None and chosen.fired >= chosen.times) or chosen.nth is not None:
                self.rules.remove(chosen)
        return chosen

    def rows(self) -> list[dict[str, Any]]:
        """Return the rules in force."""
        return [asdict(rule) for rule in self.rules]

    def clear(self) -> None:
        """Delete every rule."""
        self.rules = []
