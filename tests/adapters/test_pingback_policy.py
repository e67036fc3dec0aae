"""No bytes can move between the parameters of an accepted pingback: its text has one legal reading."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_worker.adapters.paymentwall import Names, Pingback, accept, verify
from billing_worker.adapters.paymentwall.readings import V1_GOODS, readings
from billing_worker.domain.errors import BillingError, PingbackRefused, SignatureInvalid
from tests.adapters.test_paymentwall_pingback import CART, GOOD, OURS
from tests.support.growth import LINEAR, work_of_four_times

NAMES = Names.with_own()
S12 = ("zeta", "Zone", "aa_note", "a-b")
FLAT = [(query, secret, version) for query, secret, version in GOOD if "[" not in query]
PLAIN = {"goodsid": "gold", "ref": "b1", "sign_version": "3", "slength": "", "speriod": "", "type": "0", "uid": "u1"}


def glued(parameters: dict[str, str], version: int = 3) -> str:
    if version == 1:
        return "".join(f"{name}={parameters.get(name, '')}" for name in V1_GOODS)
    return "".join(f"{name}={parameters[name]}" for name in sorted(parameters, key=str.encode))


def digest(text: str, version: int, secret: str) -> str:
    hashed = hashlib.sha256 if version == 3 else hashlib.md5
    return hashed((text + secret).encode()).hexdigest()


def query_of(parameters: dict[str, str], signature: str) -> bytes:
    pairs = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in parameters.items())
    return f"{pairs}&sig={signature}".encode()


def signed(version: int = 3, secret: str = OURS, **parameters: str) -> bytes:
    return query_of(parameters, digest(glued(parameters, version), version, secret))


def taken(query: bytes, version: int = 3, names: Names = NAMES, secret: str = OURS) -> Pingback | None:
    try:
        return accept(query, [secret], version, names)
    except BillingError:
        return None


def shifts(text: str) -> Iterator[dict[str, str]]:
    """Other sets of parameters whose pairs, sorted by name, glue to this text: up to three cuts at any place."""
    starts = [at for at in range(1, len(text)) if "=" in text[at:]]
    for count in (1, 2):
        for cuts in combinations(starts, count):
            pieces = [text[a:b] for a, b in zip((0, *cuts), (*cuts, None), strict=True)]
            if all("=" in piece for piece in pieces):
                yield dict(piece.split("=", 1) for piece in pieces)


def neighbours(parameters: dict[str, str]) -> Iterator[dict[str, str]]:
    """Each boundary moved by some bytes, each pair swallowed by the one before it, each value cut in two."""
    pairs = sorted(parameters.items())
    for at in range(len(pairs) - 1):
        (name, value), (after, rest) = pairs[at], pairs[at + 1]
        others = pairs[:at] + pairs[at + 2 :]
        both = f"{name}={value}{after}={rest}"
        yield dict([*others, (name, f"{value}{after}={rest}")])
        for cut in range(len(name) + 1, len(both)):
            if "=" in both[cut:]:
                yield dict([*others, (name, both[len(name) + 1 : cut]), tuple(both[cut:].split("=", 1))])
    for name, value in pairs:
        others = [pair for pair in pairs if pair[0] != name]
        for cut in range(len(value)):
            if "=" in value[cut:]:
                yield dict([*others, (name, value[:cut]), tuple(value[cut:].split("=", 1))])


@pytest.mark.fm("E20")
@pytest.mark.parametrize(("query", "secret", "version"), FLAT)
def test_no_boundary_of_a_vector_can_be_moved(query: str, secret: str, version: int) -> None:
    names = Names.with_own(S12)
    true = accept(query.encode(), [secret], version, names)
    signature = query.rpartition("=")[2]
    received = dict(parse_qsl(query, keep_blank_values=True))
    del received["sig"]
    assert true.parameters.items() <= (received | {"slength": received.get("slength", "")}).items()
    collisions = 0
    if version == 1:
        moved = shifts(glued(true.parameters, 1))
    else:
        moved = (each for each in neighbours(received) if each != received and glued(each) == glued(received))
    for other in moved:
        try:
            verify(query_of(other, signature), secret, version)
            collisions += 1
        except BillingError:
            continue
        assert taken(query_of(other, signature), version, names, secret) is None, other
    assert version == 1 or collisions, "nothing was tried"


VALUE = st.lists(
    st.sampled_from(["", "a", "=", "goodsid=", "ref=", "type=0", "uid=u", "initial_", "payment_", "b1", "1"]),
    max_size=4,
).map("".join)
OWN = ("initial_ref", "note", "a", "zeta")
TRICKY = Names.with_own(OWN)


@pytest.mark.fm("E20")
@given(
    st.fixed_dictionaries(
        {"uid": VALUE, "ref": st.sampled_from(["b1", "t=1", "initial_b"]), "type": st.sampled_from(["0", "2", "201"])},
        optional=dict.fromkeys(("goodsid", "custom", "payment_type", "reason", "slength", *OWN), VALUE),
    )
)
@settings(max_examples=80, deadline=timedelta(seconds=5))
def test_of_all_pingbacks_with_one_signature_at_most_one_is_taken(parameters: dict[str, str]) -> None:
    parameters |= {"sign_version": "3"}
    text = glued(parameters)
    signature = digest(text, 3, OURS)
    same = {tuple(sorted(each.items())) for each in neighbours(parameters) if glued(each) == text}
    same.add(tuple(sorted(parameters.items())))
    found = [each for each in same if taken(query_of(dict(each), signature), names=TRICKY) is not None]
    assert len(found) <= 1, found


def _brute(text: str, names: Names, version: str, before: str = "") -> Iterator[dict[str, str]]:
    """All legal readings, the slow way: try every name at the beginning, and every end of its value."""
    for name in names.forms:
        if name <= before or not text.startswith(f"{name}="):
            continue
        for end in range(len(name) + 1, len(text) + 1):
            value = text[len(name) + 1 : end]
            right = value == version if name == "sign_version" else names.fits(name, value)
            if not right or any(f"{known}=" in value for known in names.forms):
                continue
            if end == len(text):
                yield {name: value}
            for rest in _brute(text[end:], names, version, name):
                yield {name: value} | rest


@given(
    st.fixed_dictionaries(
        {"uid": st.sampled_from(["u", "", "type=1"]), "ref": st.sampled_from(["b", "initial_"])},
        optional={"goodsid": VALUE, "initial_ref": VALUE, "payment_type": VALUE, "slength": VALUE, "zeta": VALUE},
    )
)
@settings(max_examples=60, deadline=timedelta(seconds=5))
def test_the_count_is_that_of_trying_every_reading(parameters: dict[str, str]) -> None:
    text = glued(parameters | {"sign_version": "3", "type": "0"})
    needed = {"uid", "ref", "type", "sign_version"}
    assert readings(text, TRICKY, 3) == sum(needed <= each.keys() for each in _brute(text, TRICKY, "3"))


@pytest.mark.fm("E20")
def test_a_text_with_two_legal_readings_is_refused_in_both() -> None:
    """It takes names of one's own, one the end of the other, behind all that must be there."""
    names = Names.with_own(["va_z", "z"])
    assert readings(glued(PLAIN | {"va_z": "1"}), names, 3) == 2
    for parameters in ({"uid": "u1", "va_z": "1"}, {"uid": "u1va_", "z": "1"}):
        received = PLAIN | parameters
        assert verify(signed(**received), OURS).uid
        with pytest.raises(PingbackRefused, match="can also be read as another pingback"):
            accept(signed(**received), [OURS], 3, names)
    assert taken(signed(**PLAIN | {"z": "1"}), names=names) is not None


@pytest.mark.fm("E20")
def test_an_unannounced_name_is_refused_by_name_with_the_setting() -> None:
    query = signed(**PLAIN, note="x", level="7")
    with pytest.raises(PingbackRefused, match=r"note, level: .*BILLING_PAYMENTWALL_PARAMETERS"):
        accept(query, [OURS], 3, NAMES)
    assert accept(query, [OURS], 3, Names.with_own(["note", "level"])).parameters["level"] == "7"
    cart, secret, _ = GOOD[7]
    assert secret == CART
    with pytest.raises(PingbackRefused, match=r"goodsid\[0\]=sku_a: is an array"):
        accept(cart.encode(), [CART], 2, NAMES)


@pytest.mark.fm("E20")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uid", "u" * 65), ("uid", "a\nb"), ("goodsid", "g" * 257), ("ref", "b 1"), ("ref", "b=1"), ("ref", "b" * 256),
        ("slength", "1.5"), ("slength", "-"), ("speriod", "1 month"), ("is_test", "2"), ("reason", "chargeback"),
        ("reason", "1000"), ("currency", "KRW"), ("type", "\u0660"), ("charged_currency", "won"),
        ("refund_amount", "1,5"),
        ("custom", "see uid=u2"), ("goodsid", "goldtype=0"), ("chargeback_type", "x=y"),
    ],
)  # fmt: skip
def test_a_value_that_its_parameter_cannot_have_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(PingbackRefused) as refused:
        accept(signed(**PLAIN | {name: value}), [OURS], 3, NAMES)
    assert refused.value.field == name
    assert value not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("slength", "-5"), ("speriod", "month"), ("reason", "9"), ("currency", "1000"), ("uid", "구매자 1"),
     ("custom", "order=5&x={}"), ("goodsid", "a==")],
)  # fmt: skip
def test_an_ordinary_value_is_taken(name: str, value: str) -> None:
    assert accept(signed(**PLAIN | {name: value}), [OURS], 3, NAMES).parameters[name] == value


def test_of_version_1_only_what_it_signs_is_kept() -> None:
    query, secret, version = GOOD[2]
    pingback = accept(query.encode(), [secret], version, NAMES)
    assert pingback.parameters.keys() == set(V1_GOODS)
    assert pingback.is_test  # refused on its word: that can only do less
    more = accept(f"{query}&custom=x".encode(), [secret], version, NAMES)
    assert more.parameters == pingback.parameters


def test_two_keys_are_both_tried_and_no_third() -> None:
    for secret in ("brick-test-key", OURS):
        assert accept(signed(secret=secret, **PLAIN), [OURS, "brick-test-key"], 3, NAMES).uid == "u1"
    for keys in ([OURS, "other"], [OURS]):
        with pytest.raises(SignatureInvalid):
            accept(signed(secret="brick-test-key", **PLAIN), keys, 3, NAMES)
    with pytest.raises(SignatureInvalid):
        accept(signed(secret="", **PLAIN), [OURS, ""], 3, NAMES)


@pytest.mark.parametrize("hostile", ["type=0", "ref=", "=", "custom=uid="])
def test_the_work_to_judge_a_signed_text_grows_with_it_and_not_faster(hostile: str) -> None:
    def judged(value: str) -> None:
        assert (taken(signed(**PLAIN | {"custom": value})) is not None) is (hostile == "=")

    assert work_of_four_times(judged, hostile * (512 // len(hostile))) < LINEAR
