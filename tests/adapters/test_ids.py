"""Random names are of the form that all readers expect, and no two are equal."""

import re

from billing_worker.adapters.ids import RandomIds

FORM = re.compile(r"sub_[0-9a-hjkmnp-tv-z]{16}")
MANY = 20_000


def test_ids_have_their_form_and_every_letter_and_none_comes_twice() -> None:
    ids = RandomIds()
    drawn = [ids.new("sub") for _ in range(MANY)]
    assert all(FORM.fullmatch(ident) for ident in drawn)
    assert len(set(drawn)) == MANY
    for place in range(4, 20):
        assert len({ident[place] for ident in drawn}) == 32
