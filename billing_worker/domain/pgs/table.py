"""The table of PGs, and how a row is found."""

from collections.abc import Mapping
from difflib import get_close_matches

from billing_worker.domain.pgs import abroad, cards_by_api, cards_by_window, phones_and_accounts, wallets, without_keys
from billing_worker.domain.pgs.facts import Fact, Flow, Pg, Rule
from billing_worker.domain.pgs.making import cuts, limits
from billing_worker.domain.pgs.sources import SPEC_AGAIN, SPEC_CANCEL

_ROWS = (
    *cards_by_api.ROWS,
    *cards_by_window.ROWS,
    *phones_and_accounts.ROWS,
    *wallets.ROWS,
    *abroad.ROWS,
    *without_keys.ROWS,
)

PGS: Mapping[str, Pg] = {pg.code: pg for pg in _ROWS}
"""Every PG that is known here, by PortOne's code."""

OF_ALL: tuple[Fact, ...] = (
    limits(Flow.AGAIN, "customer_uid", "at most 80 characters", SPEC_AGAIN, rule=Rule.ALWAYS),
    limits(Flow.AGAIN, "merchant_uid", "at most 40 characters", SPEC_AGAIN, rule=Rule.ALWAYS),
    limits(Flow.AGAIN, "name", "at most 40 characters", SPEC_AGAIN, rule=Rule.ALWAYS),
    limits(
        Flow.AGAIN,
        "buyer_…",
        "name at most 16, email 64, tel 16 characters",
        SPEC_AGAIN,
        rule=Rule.ALWAYS,
    ),
    limits(Flow.AGAIN, "card_quota", "2 and more only from 50,000 KRW on", SPEC_AGAIN),
    cuts(
        Flow.CANCEL,
        "amount",
        "none, or 0, gives back everything",
        SPEC_CANCEL,
        rule=Rule.ALWAYS,
    ),
)
"""What holds at every PG."""

ALIKE = 0.6
"""How alike two codes are at least, from 0 to 1, for one to be a hint at the other."""


def following(rule: Rule) -> frozenset[str]:
    """The codes of the PGs with this rule."""
    return frozenset(code for code, pg in PGS.items() if pg.of(rule) is not None)


def closest(code: str) -> Pg | None:
    """The PG that is meant, perhaps: by a similar code, or by its Korean or English name."""
    wanted = code.strip().lower().partition(".")[0]
    for pg in PGS.values():
        if wanted and wanted in (pg.code, pg.korean.lower(), pg.english.lower()):
            return pg
    found = get_close_matches(wanted.replace("-", "_").replace(" ", "_"), PGS, n=1, cutoff=ALIKE)
    named = [pg for pg in PGS.values() if wanted and pg.korean.lower().startswith(wanted)]
    return PGS[found[0]] if found else next(iter(named), None)
