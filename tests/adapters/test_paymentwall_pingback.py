"""Pingbacks: the signature rules of versions 1, 2 and 3, byte by byte."""

import hashlib
from datetime import timedelta
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_worker.adapters.paymentwall import Pingback, verify
from billing_worker.domain.errors import InvalidInput, SignatureInvalid
from tests.support.growth import LINEAR, work_of_four_times

PUBLIC = "a7408723eaf4bfa2e3ac49b3cb695046"  # secrets of the official libraries' feature files
PUBLIC_VC = "6274def95b105f1c92d341a8d3bc2e77"
OURS = "9d1f4be0c7a24f0c8f7a5f0b3f6f2e11"
CART = "0b6f0d0f2c5f4f6e9a3d7c1e5b8a9240"

# Digests computed by Paymentwall's PHP library; the first five are in the official libraries' own feature files.
GOOD = [
    (
        (
            "uid=test_user&goodsid=test_product&slength=5&speriod=month&type=0&ref=t123&is_test=1&sign_version=2"
            "&sig=754cff93c0eb859f6054bef143ad253c"
        ),
        PUBLIC,
        2,
    ),
    (
        (
            "uid=test_user&goodsid=test_product&slength=-5&speriod=month&type=2&ref=t123&is_test=1&reason=9&sign_version=3"
            "&sig=2f67209c3e581313a70de9425efef49f35a74c0cdb7f93051b47e3c097011a71"
        ),
        PUBLIC,
        3,
    ),
    (
        (
            "uid=test_user&goodsid=test_product&slength=-5&speriod=month&type=2&ref=t123&is_test=1&reason=9"
            "&sig=e7b2ff07bc0734c83ee14f32552b1c88"
        ),
        PUBLIC,
        1,
    ),
    ("uid=test_user&currency=1000&type=0&ref=t555&is_test=1&sig=efaacb488ab8ee19321ad513b6908574", PUBLIC_VC, 1),
    (
        (
            "uid=test_user&currency=1000&type=0&ref=t555&is_test=1&sign_version=3"
            "&sig=a2932c360010e613166ae95ede5a3fa45bfcac10e1dd93715d21b00d684eb0fb"
        ),
        PUBLIC_VC,
        3,
    ),
    (
        (
            "uid=%EA%B5%AC%EB%A7%A4%EC%9E%90_%ED%99%8D%EA%B8%B8%EB%8F%99&goodsid=%EC%9B%94%EA%B0%84%EA%B5%AC%EB%8F%85"
            "&slength=1&speriod=month&type=0&ref=b1720001001&chargeback_reason=&chargeback_type=&payment_type=Credit+Card"
            "&custom=%EC%A3%BC%EB%AC%B8+2024-07+%ED%95%9C%EA%B8%80&charged_currency=KRW&cancel_requested_id=b1720001001_0"
            "&sign_version=3&sig=acce30581076eb28ac2e49113fb2999fae1bda8079915ac5cd58cbaa825a586b"
        ),
        OURS,
        3,
    ),
    (
        (
            "uid=u_1001&goodsid=order-20240715-0007&slength=&speriod=&type=0&ref=b1720001002&sign_version=3"
            "&sig=399b342ec1f6578742a365beac12fa29b83e8f0efd6972c8d553e1f54d6e52b3"
        ),
        OURS,
        3,
    ),
    (
        (
            "uid=u_1002&goodsid[0]=sku_a&goodsid[1]=sku_b&type=0&ref=b1720001003&sign_version=2"
            "&sig=57355274f89738949999ce80ff647f23"
        ),
        CART,
        2,
    ),
    (
        (
            "sign_version=3&zeta=1&Zone=KR&type=201&slength=3&uid=u_1006&ref=b1720001006&speriod=day&goodsid=gold"
            "&aa_note=x&a-b=2&sig=78e042986e888e7deec340b44783275f2d59a412886eeafa47532f3fb64ea759"
        ),
        CART,
        3,
    ),
]


@pytest.mark.parametrize(("query", "secret", "version"), GOOD)
def test_a_signed_pingback(query: str, secret: str, version: int) -> None:
    pingback = verify(query.encode(), secret, version)
    assert pingback.uid
    assert "sig" not in pingback.parameters
    for other in {1, 2, 3, 4} - {version}:
        with pytest.raises(SignatureInvalid):
            verify(query.encode(), secret, other)
    with pytest.raises(SignatureInvalid):
        verify(query.encode(), secret + "x", version)


def signed(pairs: str, secret: str = OURS, *, base: str | None = None) -> bytes:
    """The query with the version 3 signature of `base` (default: its pairs, sorted, decoded by the caller)."""
    text = base if base is not None else "".join(sorted(pairs.split("&")))
    return f"{pairs}&sig={hashlib.sha256((text + secret).encode()).hexdigest()}".encode()


PLAIN = "goodsid=gold&ref=b1&sign_version=3&type=0&uid=u1"


def test_what_a_pingback_says() -> None:
    query = signed("goodsid=gold&is_test=1&ref=b1&sign_version=3&slength=&type=201&uid=u1")
    assert verify(query, OURS) == Pingback(
        uid="u1",
        goodsid="gold",
        type=201,
        ref="b1",
        is_test=True,
        parameters={
            "goodsid": "gold",
            "is_test": "1",
            "ref": "b1",
            "sign_version": "3",
            "slength": "",
            "type": "201",
            "uid": "u1",
        },
    )


@pytest.mark.fm("E21")
def test_a_korean_value_and_a_plus() -> None:
    pingback = verify(GOOD[5][0].encode(), OURS)
    assert (pingback.uid, pingback.goodsid) == ("구매자_홍길동", "월간구독")
    assert pingback.parameters["payment_type"] == "Credit Card"
    twenty = GOOD[5][0].replace("+", "%20")
    assert verify(twenty.encode(), OURS) == pingback
    with pytest.raises(SignatureInvalid):
        verify(GOOD[5][0].replace("+", "%2B").encode(), OURS)


@pytest.mark.fm("E21")
def test_nothing_is_trimmed_or_normalised() -> None:
    decomposed = "가".encode() + b" "
    query = b"goodsid=gold&note=" + quote_plus(decomposed).encode() + b"&ref=b1&sign_version=3&type=0&uid=u1"
    base = b"goodsid=goldnote=" + decomposed + b"ref=b1sign_version=3type=0uid=u1" + OURS.encode()
    assert verify(query + b"&sig=" + hashlib.sha256(base).hexdigest().encode(), OURS).parameters["note"] == "가 "
    raw = "goodsid=금&ref=b1&sign_version=3&type=0&uid=u1"  # not percent-encoded at all
    assert verify(signed(raw), OURS).goodsid == "금"


@pytest.mark.parametrize("bracket", ["[{}]", "%5B{}%5D", "%5b{}%5d"])
def test_a_cart_is_sorted_by_number(bracket: str) -> None:
    items = [f"goodsid{bracket.format(n)}=sku{n}" for n in (10, 2, 0, 1, 11)]
    base = "".join(f"goodsid[{n}]=sku{n}" for n in (0, 1, 2, 10, 11)) + "ref=b1sign_version=3type=0uid=u1"
    pingback = verify(signed("&".join([*items, "ref=b1&sign_version=3&type=0&uid=u1"]), base=base), OURS)
    assert pingback.goodsid is None
    assert pingback.parameters["goodsid[10]"] == "sku10"


def test_an_arrays_place_is_that_of_its_name() -> None:
    # As flat names, "goodsid-x" would sort before "goodsid[0]" and "goodsid]"... the array counts as "goodsid".
    base = "goodsid[0]=agoodsid-x=1ref=b1sign_version=3type=0uid=u1"
    query = signed("goodsid-x=1&goodsid[0]=a&ref=b1&sign_version=3&type=0&uid=u1", base=base)
    assert verify(query, OURS).parameters["goodsid-x"] == "1"


def test_a_cart_without_its_version_is_one_of_version_2() -> None:
    base = "goodsid[0]=sku_aref=b1sign_version=2type=0uid=u1" + CART
    query = "goodsid[0]=sku_a&ref=b1&type=0&uid=u1&sig=" + hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()
    assert verify(query.encode(), CART, 2).uid == "u1"
    with pytest.raises(SignatureInvalid):
        verify(query.encode(), CART, 3)


def test_version_1_signs_its_fixed_list() -> None:
    def one(query: str, base: str) -> bytes:
        return f"{query}&sig={hashlib.md5((base + OURS).encode(), usedforsecurity=False).hexdigest()}".encode()

    missing = one("ref=b1&type=0&uid=u1&goodsid=gold&extra=1", "uid=u1goodsid=goldslength=speriod=type=0ref=b1")
    assert verify(missing, OURS, 1).ref == "b1"
    empty = one("ref=b1&type=0&uid=u1&goodsid=gold&sign_version=", "uid=u1goodsid=goldslength=speriod=type=0ref=b1")
    assert verify(empty, OURS, 1).ref == "b1"
    cart = one("ref=b1&type=0&uid=u1&goodsid[1]=b&goodsid[0]=a", "uid=u1goodsid[1]=bgoodsid[0]=atype=0ref=b1")
    assert verify(cart, OURS, 1).ref == "b1"


@pytest.mark.fm("E19")
def test_dropping_the_version_does_not_choose_a_weaker_one() -> None:
    for query in (GOOD[2][0], GOOD[2][0] + "&sign_version=1"):
        with pytest.raises(SignatureInvalid):
            verify(query.encode(), PUBLIC)


@pytest.mark.fm("E19")
@pytest.mark.parametrize("version", ["0", "4", "03", "3 ", "three", "-3", "", "%33%00"])
def test_a_version_that_is_not_the_pinned_one(version: str) -> None:
    pairs = PLAIN.replace("sign_version=3", f"sign_version={version}")
    with pytest.raises((SignatureInvalid, InvalidInput)):
        verify(signed(pairs), OURS)
    with pytest.raises(SignatureInvalid):
        verify(signed(PLAIN), OURS, 4)


@pytest.mark.fm("E19")
def test_a_signature_that_is_missing_empty_or_written_otherwise() -> None:
    good = signed(PLAIN).decode()
    verify(good.encode(), OURS)
    head, _, digest = good.rpartition("=")
    wrongs = [f"{head}=", f"{head}=0", f"{head}={digest.upper()}", f"{head}={digest}+", f"{head}=%ff{digest}"]
    wrongs += [PLAIN, f"{head}={digest[:-1]}", good.replace("&sig=", "&sign="), good.replace("&sig=", "&sig[0]=")]
    for wrong in wrongs:
        with pytest.raises(SignatureInvalid):
            verify(wrong.encode(), OURS)
    with pytest.raises(SignatureInvalid):
        verify(signed(PLAIN, ""), "")


def test_a_changed_value_is_noticed() -> None:
    good = signed(PLAIN).decode()
    for old, new in [("gold", "platinum"), ("type=0", "type=2"), ("uid=u1", "uid=u2"), ("ref=b1", "ref=b2&more=1")]:
        with pytest.raises(SignatureInvalid):
            verify(good.replace(old, new).encode(), OURS)


@pytest.mark.parametrize(
    "pairs",
    [
        "goodsid=gold&sign_version=3&type=0&uid=u1",
        "goodsid=gold&ref=&sign_version=3&type=0&uid=u1",
        "goodsid=gold&ref=b1&sign_version=3&uid=u1",
        "goodsid=gold&ref=b1&sign_version=3&type=0",
        "goodsid=gold&ref=b1&sign_version=3&type=&uid=u1",
        "goodsid=gold&ref=b1&sign_version=3&type=-1&uid=u1",
        "goodsid=gold&ref=b1&sign_version=3&type=0.0&uid=u1",
        "goodsid=gold&ref=b1&sign_version=3&type=zero&uid=u1",
        "goodsid=gold&ref=b1&sign_version=3&type=99999&uid=u1",
        "goodsid=gold&ref=b1&sign_version=3&type=\u0660&uid=u1",
        "goodsid=gold&ref=b1&sign_version=3&type=0&uid[0]=u1",
        "ref=b1&sign_version=3&type=0&uid=u1",
        "goodsid=&ref=b1&sign_version=3&type=0&uid=u1",
    ],
)
def test_a_signed_pingback_that_says_too_little(pairs: str) -> None:
    with pytest.raises(InvalidInput):
        verify(signed(pairs), OURS)


@pytest.mark.fm("E20")
@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"&",
        b"uid",
        b"=1",
        b"uid=1&&type=0",
        b"uid=1&type=0&uid=1",
        b"uid=1&%75id=2",
        b"uid=%",
        b"uid=%zz",
        b"uid=%u00e9",
        b"u%d=1",
        b"goodsid=a&goodsid[0]=b",
        b"goodsid[0]=a&goodsid[0]=b",
        b"goodsid[0]=a&goodsid[x]=b",
        b"goodsid[]=a",
        b"goodsid[0][1]=a",
        b"goodsid[0=a",
        b"goodsid]0[=a",
        b"[0]=a",
        b"9=a",
        b"a=" + b"x" * 8192,
        b"&".join(b"p%d=" % n for n in range(101)),
    ],
)
def test_a_query_with_more_than_one_reading_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidInput):
        verify(query, OURS)


@pytest.mark.parametrize("value", [b"%ff", b"\xff", b"%ed%a0%80", b"%00"])
def test_what_is_no_text_is_refused(value: bytes) -> None:
    decoded = {b"%ff": b"\xff", b"\xff": b"\xff", b"%ed%a0%80": b"\xed\xa0\x80", b"%00": b"\x00"}[value]
    base = b"goodsid=goldnote=" + decoded + b"ref=b1sign_version=3type=0uid=u1" + OURS.encode()
    query = b"goodsid=gold&note=" + value + b"&ref=b1&sign_version=3&type=0&uid=u1&sig="
    with pytest.raises(InvalidInput):
        verify(query + hashlib.sha256(base).hexdigest().encode(), OURS)


@given(st.binary(max_size=200) | st.text("&=%[]0123abuidsgtypref.+", max_size=60).map(str.encode))
@settings(max_examples=800, deadline=timedelta(seconds=2))
def test_no_bytes_do_anything_else_than_being_refused(raw: bytes) -> None:
    for version in (1, 2, 3):
        with pytest.raises((SignatureInvalid, InvalidInput)):
            verify(raw, OURS, version)


TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)


@given(
    st.dictionaries(
        TEXT.filter(lambda name: name and not name.isdigit() and not set(name) & set("[]")), TEXT, max_size=6
    )
)
@settings(max_examples=300, deadline=timedelta(seconds=2))
def test_whatever_is_signed_comes_out_as_it_went_in(extra: dict[str, str]) -> None:
    parameters = extra | {"goodsid": "gold", "ref": "b1", "sign_version": "3", "type": "0", "uid": "u1"}
    parameters.pop("sig", None)
    base = b"".join(
        name.encode() + b"=" + value.encode() for name, value in sorted(parameters.items(), key=lambda p: p[0].encode())
    )
    query = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in parameters.items())
    query += "&sig=" + hashlib.sha256(base + OURS.encode()).hexdigest()
    assert verify(query.encode(), OURS).parameters == parameters


@pytest.mark.parametrize("piece", [b"a", b"%41", b"[", b"a[0]", b"=", b"%"])
def test_the_work_grows_with_the_query_and_not_faster(piece: bytes) -> None:
    def refused(query: bytes) -> None:
        with pytest.raises(InvalidInput):
            verify(query, OURS)

    assert work_of_four_times(refused, piece * (2040 // len(piece))) < LINEAR
