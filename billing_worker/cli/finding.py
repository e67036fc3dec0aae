"""The lines of `doctor`."""

from dataclasses import dataclass
from enum import StrEnum

from billing_worker.domain.errors import BillingError
from billing_worker.texts.words import Words


class Verdict(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    check: str
    verdict: Verdict
    detail: str
    way_out: str | None = None


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, detail)


def failed(check: str, error: BillingError, words: Words) -> Finding:
    """A failed check with the error's own line, in English, which names the way out."""
    return Finding(check, Verdict.FAIL, words.say("doctor.failed", error=error))
