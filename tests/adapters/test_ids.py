"""Random names are of the form that all readers expect, and no two are equal."""

import re

from billing_worker.adapters.ids import RandomIds
from billing_worker.domain.order_number import merchant_uid, read_merchant_uid

FORM = re.compile(r"sub_[0-9a-hjkmnp-tv-z]{16}")
MANY = 20_000


def test_ids_have_their_form_and_every_letter_and_none_comes_twice() -> None:
    ids = RandomIds()
    drawn = [ids.new("sub") for _ in range(MANY)]
    assert all(FORM.fullmatch(ident) for ident in drawn)
    assert len(set(drawn)) == MANY
    for place in range(4, 20):
        assert len({ident[place] for ident in drawn}) == 32


def test_a_merchant_uid_made_of_an_id_reads_back() -> None:
    ids = RandomIds()
    for period in range(1000):
        subscription = ids.new("sub")
        read = read_merchant_uid(merchant_uid("shop1", subscription, period, 1))
        assert read is not None
        assert (read.owner_id, read.period_index) == (subscription, period)
