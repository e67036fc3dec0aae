"""The allowed parameters of a pingback, and the form of each.

The signature covers parameters without separators: a free text could swallow the next parameter, or form a new one. So
only known names are accepted, each with a narrow form if Paymentwall documents one. No value may contain a known name
with its equals sign.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_REF = 255
"""Characters; real ones have about a dozen. The index for repetitions takes no entry of several kilobytes."""

_TEXT = r"[^\x00-\x1f\x7f]"
_WORD = r"[A-Za-z0-9._:-]"

STANDARD = {
    "uid": rf"{_TEXT}{{1,64}}",
    "goodsid": rf"{_TEXT}{{0,256}}",
    "type": r"[0-9]{1,4}",
    "ref": rf"{_WORD}{{1,{LONGEST_REF}}}",
    "slength": r"(?:-?[0-9]{1,6})?",
    "speriod": r"[a-z]{0,12}",
    "is_test": r"[01]?",
    "reason": r"[0-9]{0,3}",
    "sign_version": r"[0-9]?",
    "currency": r"(?:-?[0-9]{1,12}(?:\.[0-9]{1,4})?)?",
}
"""Paymentwall documents these for every project, with both lengths."""

CUSTOM = {
    "cancel_requested_id": rf"{_WORD}{{0,300}}",
    "charged_currency": r"(?:[A-Z]{3})?",
    "chargeback_reason": rf"{_TEXT}{{0,255}}",
    "chargeback_type": r"[A-Za-z_ -]{0,40}",
    "country_code": r"[A-Za-z]{0,3}",
    "custom": r"[^\x00]{0,2048}",
    "merchant_refund_id": rf"{_TEXT}{{0,64}}",
    "payment_datetime_utc": r"[0-9A-Z:+. -]{0,40}",
    "payment_type": rf"{_TEXT}{{0,100}}",
    "refund_amount": r"(?:-?[0-9]{1,12}(?:\.[0-9]{1,4})?)?",
}
"""Those that PortOne's guide tells merchants to configure, and the two that come with a partial refund."""

_OWN = r"[^\x00]{0,2048}"
"""The form of a merchant's own parameter: only the merchant knows more."""

REQUIRED = frozenset({"uid", "type", "ref"})


@dataclass(frozen=True, slots=True)
class Names:
    """The parameters that a project may send."""

    forms: dict[str, re.Pattern[str]]

    @classmethod
    def with_own(cls, own: Iterable[str] = ()) -> "Names":
        """The documented parameters, and those of the merchant's project."""
        forms = dict.fromkeys(own, _OWN) | CUSTOM | STANDARD
        return cls({name: re.compile(form) for name, form in sorted(forms.items())})

    def fits(self, name: str, value: str) -> bool:
        """Whether this value matches the form of a known parameter."""
        return self.forms[name].fullmatch(value) is not None
