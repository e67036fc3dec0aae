import pytest

from billing_worker.adapters.masking import LONGEST_EVIDENCE, blanked, evidence_text, masked, one_line
from tests.support.growth import LINEAR, work_of_four_times


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("4242424242424242", "************4242"),
        ("4242-4242-4242-4242", "****-****-****-4242"),
        ("4242 4242 4242 4242", "**** **** **** 4242"),
        ('{"card_number":"4242424242424"}', '{"card_number":"*********2424"}'),
        ("378282246310005.", "***********0005."),
        ("424242******4242", "424242******4242"),
        ("010-1234-5678", "***-****-5678"),
        ("01012345678", "*******5678"),
        ("+82 10 1234 5678", "+** ** **** 5678"),
        ("hong.gildong+x@example.com", "**************@example.com"),
        ('"buyer_name": "홍길동"', '"buyer_name": "***"'),
        ('"buyer_addr":"서울 \\"강남\\""', '"buyer_addr":"*********"'),
        ('"access_token":"abcd1234"', '"access_token":"********"'),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer ************"),
        ("imps_123456789012", "imps_123456789012"),
        ("1735689600, 9900", "1735689600, 9900"),
        ("12345678901234567890", "12345678901234567890"),
        ("4242.4242.4242.4242", "****.****.****.4242"),
        ("4242/4242/4242/4242", "****/****/****/4242"),
        ("4242\u20134242\u20134242\u20134242", "****\u2013****\u2013****\u20134242"),
        ("4242  4242\t4242\n4242", "****  ****\t****\n4242"),
        ("4242-4242-42-42-42-4-2", "****-****-**-**-42-4-2"),
        ("1234.5678.9012.3456", "1234.5678.9012.3456"),
        ("\uff14242424242424242", "************4242"),
        (r"\u0034\u0032\u0034\u0032424242424242", "************4242"),
        (r"\uFF14242\u00204242\u002D4242\u00a04242", "**** ****-****\u00a04242"),
        (r"\u0068\u006f\u006e\u0067\u0040example.com", "****@example.com"),
    ],
)
def test_what_is_blanked(text: str, kept: str) -> None:
    assert masked(text) == kept


@pytest.mark.fm("F5")
def test_secrets_are_blanked_everywhere() -> None:
    assert masked("key=abcdef, abcdef", ("abcdef",)) == "key=******, ******"
    assert blanked(b'{"m":"abcdef"}', ("abcdef", "abc")) == b'{"m":"******"}'


def test_a_number_at_the_cut_is_not_half_shown() -> None:
    for before in range(LONGEST_EVIDENCE - 20, LONGEST_EVIDENCE + 1):
        text = evidence_text(b"x" * before + b" 4242424242424242 " + b"y" * 9000)
        assert "42424" not in text
        assert len(text.encode()) <= LONGEST_EVIDENCE


def test_evidence_can_be_stored() -> None:
    text = evidence_text("한글 ".encode() * 2000 + b"\x00\xff\xfe")
    assert len(text.encode()) <= LONGEST_EVIDENCE
    assert evidence_text(b"a\x00b\xffc") == "a\ufffdb\ufffdc"


def test_one_line_is_one_line() -> None:
    assert one_line("a\r\n\tb\u2028c\x85d\x00") == "a b c d\ufffd"
    assert len(one_line("x" * 10_000)) == 300


@pytest.mark.parametrize(
    "piece", ["a", "1", "0", "@", "-", '"', "1 ", "a@", '"buyer_name":"', "\\", '"buyer_name":"\\']
)
def test_the_work_grows_with_the_text_and_not_faster(piece: str) -> None:
    assert work_of_four_times(evidence_text, (piece * 10_000).encode()) < LINEAR
    assert work_of_four_times(one_line, piece * 10_000) < LINEAR
