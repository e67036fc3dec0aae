"""What PortOne's answers about schedules say: `ScheduleResultAnnotation` of the V1 specification.

A row has no `sandbox`, and no call takes `include_sandbox`: a schedule of a test channel looks like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import simplejson

from billing_worker.adapters.masking import one_line, storable
from billing_worker.adapters.portone.answers import (
    MOST_ROWS,
    NOT_FOUND,
    NOTHING_DONE,
    OK,
    Keep,
    is_refusal,
    shown,
    trouble_of,
)
from billing_worker.adapters.portone.client import Answer
from billing_worker.adapters.portone.envelope import (
    IMP_UID,
    Envelope,
    NotUnderstood,
    read_envelope,
    read_integer,
    read_money,
    read_text,
    read_time,
)
from billing_worker.adapters.portone.refusals import (
    DUPLICATE,
    NO_KEY_TO_SCHEDULE,
    NOTHING_TO_REVOKE,
    PARAMETER_MISSING,
    SCHEDULE_IN_THE_PAST,
    SCHEDULED_BEFORE,
)
from billing_worker.adapters.portone.requests import seconds_of
from billing_worker.domain.payment import Evidence, Failed, Trouble, Unknown
from billing_worker.domain.schedule import (
    GatewaySchedule,
    NotRegistered,
    RegisterAnswer,
    Registered,
    RevokeAnswer,
    Revoked,
    ScheduleReading,
    ScheduleRequest,
    ShownStatus,
    UnreadableSchedule,
)

BAD_REQUEST = 400

LONGEST_SHOWN = 64
"""Of the order number of a row that cannot be read; PortOne's own have 40."""

WON = "KRW"
"""The currency of a row without one, by the specification."""

DEFINITE = (NO_KEY_TO_SCHEDULE, PARAMETER_MISSING, SCHEDULE_IN_THE_PAST)
"""Refusals after which PortOne certainly has no schedule."""


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """One page of schedules, by order number. A bare array has no total, and does not say whether more follows."""

    found: Mapping[str, GatewaySchedule] = field(default_factory=dict)
    unreadable: Mapping[str, UnreadableSchedule] = field(default_factory=dict)
    """Rows that could not be read, each by a text that tells it from others."""
    next_page: int | None = None
    total: int | None = None


def registration_of(request: ScheduleRequest, answer: Answer, keep: Keep) -> RegisterAnswer:
    """Whether PortOne has the schedule. Only its row proves that it has, only a known refusal that it has not."""
    evidence = keep(answer.body)
    envelope = _opened(answer, evidence)
    if not isinstance(envelope, Envelope):
        return envelope
    said = _said(answer, envelope)
    if envelope.code != 0:
        return _refused(envelope, said, evidence)
    try:
        rows = _rows(envelope.response)
        found = [read_schedule(row, request.charge.money.currency) for row in rows]
    except NotUnderstood as trouble:
        return Unknown(f"{said}: {trouble}", evidence)
    if len(found) != 1:
        return Unknown(f"{said}: {len(found)} schedules, and one was asked for", evidence)
    different = _differences(request, found[0])
    if different:
        return Unknown(f"{said}: the gateway shows another {', '.join(different)}", evidence, alarming=True)
    return Registered(evidence)


def revocation_of(customer_uid: str, merchant_uid: str, answer: Answer, keep: Keep) -> RevokeAnswer:
    """Whether PortOne revoked the schedule, and no other one."""
    evidence = keep(answer.body)
    envelope = _opened(answer, evidence)
    if not isinstance(envelope, Envelope):
        return envelope
    said = _said(answer, envelope)
    if envelope.code != 0:
        nothing = is_refusal(envelope) and NOTHING_TO_REVOKE.search(envelope.message)
        return Unknown(f"{said}: there is nothing to revoke" if nothing else said, evidence)
    try:
        rows = _rows(envelope.response)
        found = [read_schedule(row) for row in rows]
        undone = [row for row in rows if read_time(row, "revoked_at") is None]
    except NotUnderstood as trouble:
        return Unknown(f"{said}: {trouble}", evidence)
    if any(each.merchant_uid != merchant_uid or each.customer_uid not in ("", customer_uid) for each in found):
        return Unknown(f"{said}: the gateway answered with other schedules", evidence, alarming=True)
    if undone or not found or any(each.status is not ShownStatus.REVOKED for each in found):
        return Unknown(f"{said}: the answer shows no revoked schedule", evidence)
    return Revoked(evidence)


def reading_of(merchant_uid: str, answer: Answer, keep: Keep) -> ScheduleReading:
    """The schedule in an answer to a read. PortOne's own 404 says that there is none."""
    evidence = keep(answer.body)
    try:
        envelope = read_envelope(answer.body)
        if answer.status == NOT_FOUND and is_refusal(envelope):
            return ScheduleReading(evidence=evidence)
        if answer.status != OK or envelope.code != 0:
            return ScheduleReading(trouble=_said(answer, envelope), evidence=evidence)
        found = read_schedule(envelope.response)
    except NotUnderstood as trouble:
        return ScheduleReading(trouble=f"HTTP {answer.status}: {trouble}", evidence=evidence)
    if found.merchant_uid != merchant_uid:
        return ScheduleReading(trouble="the gateway answered with another schedule", evidence=evidence)
    return ScheduleReading(found, evidence=evidence)


def page_of(answer: Answer, number: int) -> SchedulePage:
    """One page of a list. Raises NotUnderstood if the answer proves neither schedules nor their absence.

    PortOne describes an array, and live clients saw a page (fact sheet, section 5.2): both are read. A page that does
    not exist is empty.
    """
    envelope = read_envelope(answer.body)
    if is_refusal(envelope) and (answer.status == NOT_FOUND or (answer.status == BAD_REQUEST and number > 1)):
        return SchedulePage()
    if answer.status != OK or envelope.code != 0:
        raise NotUnderstood(_said(answer, envelope))
    rows, following, total = envelope.response, 0, None
    if isinstance(page := rows, dict):
        following = 0 if page.get("next") is None else read_integer(page, "next")
        rows, total = page.get("list"), read_integer(page, "total")
    if not isinstance(rows, list):
        raise NotUnderstood("the answer is no list of schedules")
    if len(rows) > MOST_ROWS:
        raise NotUnderstood(f"more than {MOST_ROWS} schedules on one page")
    found: dict[str, GatewaySchedule] = {}
    unreadable: dict[str, UnreadableSchedule] = {}
    for row in rows:
        try:
            schedule = read_schedule(row)
        except NotUnderstood as problem:
            unreadable[_json(row) or str(problem)] = _unreadable(row, str(problem))
            continue
        other = found.setdefault(schedule.merchant_uid, schedule)
        if other != schedule:
            # It is not known which row is right: both are told, each with its key, as one that may run.
            for each in (other, schedule):
                told = UnreadableSchedule(each.merchant_uid, each.customer_uid, "two rows of this order differ")
                unreadable[f"{each.merchant_uid} {each.customer_uid}"] = told
    return SchedulePage(found, unreadable, following or None, total)


def read_schedule(row: object, currency: str = WON) -> GatewaySchedule:
    """One schedule; a row that names no currency is in this one. Raises NotUnderstood."""
    if not isinstance(row, dict):
        raise NotUnderstood("a schedule is not a JSON object")
    merchant_uid, status = read_text(row, "merchant_uid"), read_text(row, "schedule_status")
    at = read_time(row, "schedule_at")
    imp_uid, fail_reason = read_text(row, "imp_uid"), read_text(row, "fail_reason")
    if not merchant_uid or not status or at is None:
        raise NotUnderstood("merchant_uid, schedule_status or schedule_at is missing")
    if imp_uid and not IMP_UID.fullmatch(imp_uid):
        raise NotUnderstood("imp_uid is malformed")
    return GatewaySchedule(
        merchant_uid=merchant_uid,
        customer_uid=read_text(row, "customer_uid") or "",
        at=at,
        money=read_money(row.get("amount"), read_text(row, "currency") or currency),
        status=_status(status),
        imp_uid=imp_uid or None,
        name=read_text(row, "name"),
        fail_reason=one_line(fail_reason) if fail_reason else None,
    )


def _opened(answer: Answer, evidence: Evidence) -> Envelope | Failed | Unknown:
    """The envelope of an answer with HTTP 200, or what another answer says about the call."""
    try:
        envelope = read_envelope(answer.body)
    except NotUnderstood as trouble:
        return Unknown(f"HTTP {answer.status}: {trouble}", evidence, trouble=Trouble.SERVER_ERROR)
    said = _said(answer, envelope)
    if answer.status in NOTHING_DONE and is_refusal(envelope):
        return Failed(f"{said}: {NOTHING_DONE[answer.status]}", evidence, trouble=trouble_of(answer.status))
    if answer.status != OK:
        return Unknown(said, evidence, trouble=trouble_of(answer.status), duplicate=_is_duplicate(envelope))
    return envelope


def _refused(envelope: Envelope, said: str, evidence: Evidence) -> RegisterAnswer:
    if not is_refusal(envelope):
        return Unknown(f"{said}: a refusal that holds a response", evidence, duplicate=_is_duplicate(envelope))
    if _is_duplicate(envelope):
        return Unknown(f"{said}: the merchant_uid was used before, it may be ours", evidence, duplicate=True)
    if any(words.search(envelope.message) for words in DEFINITE):
        return NotRegistered(one_line(envelope.message), evidence)
    return Unknown(f"{said}: not known to be definite", evidence)


def _is_duplicate(envelope: Envelope) -> bool:
    return any(words.search(envelope.message) for words in (DUPLICATE, SCHEDULED_BEFORE))


def _rows(response: object) -> list[dict[str, Any]]:
    if not isinstance(response, list) or not all(isinstance(row, dict) for row in response):
        raise NotUnderstood("the answer is no list of schedules")
    if len(response) > MOST_ROWS:
        raise NotUnderstood(f"more than {MOST_ROWS} schedules in one answer")
    return response


def _differences(request: ScheduleRequest, found: GatewaySchedule) -> list[str]:
    """The fields in which a row is not what was asked for."""
    charge = request.charge
    same = {
        "merchant_uid": found.merchant_uid == charge.merchant_uid,
        "customer_uid": found.customer_uid in ("", charge.customer_uid),
        "amount": found.money.amount == charge.money.amount,
        "currency": found.money.currency == charge.money.currency,
        "schedule_at": int(found.at.timestamp()) == seconds_of(request),
        "schedule_status": found.status is ShownStatus.SCHEDULED,
    }
    return [name for name, is_same in same.items() if not is_same]


def _status(word: str) -> ShownStatus:
    try:
        return ShownStatus(word)
    except ValueError:
        return ShownStatus.UNRECOGNISED


def _unreadable(row: object, problem: str) -> UnreadableSchedule:
    """An unreadable row must not hide the others: it is reported with what it shows of itself."""
    named = row if isinstance(row, dict) else {}
    merchant_uid, customer_uid, status = (
        storable(text) if isinstance(text := named.get(name), str) else ""
        for name in ("merchant_uid", "customer_uid", "schedule_status")
    )
    may_run = _status(status) not in (ShownStatus.EXECUTED, ShownStatus.REVOKED)
    return UnreadableSchedule(merchant_uid[:LONGEST_SHOWN], customer_uid, problem, may_run)


def _json(row: object) -> str:
    """The row as a text that tells it from others; empty if it has none."""
    try:
        return simplejson.dumps(row, use_decimal=True)
    except (RecursionError, ValueError):
        return ""


def _said(answer: Answer, envelope: Envelope) -> str:
    return f"HTTP {answer.status}, code {shown(envelope)}"
