"""Explanations of charges, and the report on the books."""

from typing import Annotated

from fastapi import APIRouter, Path

from billing_worker.usecases.reading import report as reporting
from billing_worker.usecases.reading import why as explaining
from billing_worker.usecases.reading.views.insight import Explanation, ReportView
from billing_worker.web.api.shapes import READS, READS_ONE, InLanguage
from billing_worker.web.context import Ctx

router = APIRouter(tags=["insight"])

LONGEST_IDENT = 120
"""The longest id here is a customer's."""


@router.get("/why/{id:path}", responses=READS_ONE, name="why")
def why(
    id: Annotated[  # noqa: A002 - as the use case names it in its errors
        str, Path(min_length=1, max_length=LONGEST_IDENT, description="An id of ours, of PortOne's, or of your own")
    ],
    context: Ctx,
    language: InLanguage,
) -> Explanation:
    """Explain the state of something, and what comes next.

    Takes our ids (sub_…, inv_…, att_…, rfd_…, key_…), a merchant_uid, an imp_uid, a customer_uid, an external_id or the
    merchant's own id of a customer.
    """
    return explaining.why(context.ports, id, context.settings.timezone, language)


@router.get("/report", responses=READS, name="report")
def report(context: Ctx, language: InLanguage) -> ReportView:
    """Show the sums of the books, by month and now. Months are in the time zone BILLING_TIMEZONE."""
    return reporting.report_in(context.ports, context.settings.timezone, language)
