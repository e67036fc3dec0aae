"""The parameters of `IMP.request_pay` for a session (PortOne's V1 guide to billing keys in the payment window)."""

from typing import Any

from billing_worker.config.card_page import CardPage
from billing_worker.domain.card_session import CardSession
from billing_worker.domain.pgs.table import PGS


def request_of(session: CardSession, page: CardPage, token: str) -> dict[str, Any]:
    """What the page gives to the SDK. Every value is of the session: the browser chooses none."""
    major = session.money.major
    request: dict[str, Any] = {
        "pg": session.pg,
        "pay_method": "phone" if PGS[session.pg_provider].pays_with.startswith("phone") else "card",
        "merchant_uid": session.merchant_uid,
        "customer_uid": session.customer_uid,
        "name": session.product,
        "amount": int(major) if major == int(major) else float(major),
        "currency": session.money.currency,
        "m_redirect_url": f"{page.url}/card/{token}/return",
    }
    buyer = {"buyer_name": session.buyer_name, "buyer_email": session.buyer_email, "buyer_tel": session.buyer_tel}
    request |= {name: value for name, value in buyer.items() if value is not None}
    if session.is_paymentwall and page.widget_code is not None:
        request["bypass"] = {"widget_code": page.widget_code}
    return request
