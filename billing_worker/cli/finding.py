"""The lines of `doctor`."""

from dataclasses import dataclass
from enum import StrEnum

from billing_worker.domain.errors import BillingError


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


def failed(check: str, error: BillingError) -> Finding:
    """A failed check with the error's own line, which names the way out."""
    return Finding(check, Verdict.FAIL, str(error))
