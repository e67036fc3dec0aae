"""Mistakes against PortOne's official description, in the client and in the sandbox."""

from tests.planted.bug import bug

REQUESTS = "billing_worker/adapters/portone/requests.py"
ASKED = "tests/contracts/test_requests_are_described.py::test_the_description_has_no_complaint_about_any_request"
ANSWERED = "tests/contracts/test_answers_are_described.py::test_the_description_has_no_complaint_about_any_answer"

BUGS = (
    bug(
        "a sum sent as text",
        "the balance of a refund is a text, which the gateway may read as none",
        (REQUESTS, '"checksum": request.balance.major,', '"checksum": str(request.balance.major),'),
        catchers=(f"{ASKED}[cancel]",),
    ),
    bug(
        "a query of another call",
        "a list is asked for with the parameter names of another list",
        (REQUESTS, "/payments/status/all?from={start}&to={end}", "/payments/status/all?schedule_from={start}&to={end}"),
        catchers=(f"{ASKED}[payments_between]",),
    ),
    bug(
        "a retry answers with its schedule",
        "the sandbox shows clients a record that the gateway does not send",
        (
            "billing_worker/sandbox/v1/schedules.py",
            "return envelope(payment_answer(tried))",
            "return envelope(self._answer(schedule))",
        ),
        catchers=(
            ANSWERED,
            "tests/sandbox/test_sandbox_schedules.py::test_a_revoked_schedule_may_be_retried_at_once",
        ),
    ),
    bug(
        "a refund without a reason",
        "the sandbox leaves out what the gateway always fills in",
        ("billing_worker/sandbox/v1/cancel.py", " or texts.CANCEL_REASON)", ")"),
        ("billing_worker/sandbox/world/gateway.py", '"reason": reason,', '"reason": reason or None,'),
        catchers=(
            ANSWERED,
            "tests/sandbox/test_sandbox_cancel.py::test_a_cancel_without_a_reason_gets_the_gateways_own",
        ),
    ),
)
