"""Create a card session: the names that PortOne will see, checked and stored before any window opens."""

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import (
    ISSUED_BY_PAYMENT,
    LONGEST_BUYER_EMAIL,
    LONGEST_BUYER_NAME,
    LONGEST_BUYER_TEL,
)
from billing_worker.domain.card_session import (
    LONGEST_LIFE,
    LONGEST_PRODUCT,
    LONGEST_RETURN_URL,
    SHORTEST_LIFE,
    CardSession,
)
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.language import Language
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import EXPONENTS, Money
from billing_worker.domain.pgs.facts import Flow
from billing_worker.domain.pgs.rules import named, require_buyer, require_money, require_options, require_pg
from billing_worker.domain.subscription import LONGEST_CUSTOMER, Subscription, SubscriptionStatus
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note

DEFAULT_LIFE = timedelta(hours=1)
LONGEST_PG = 80


@dataclass(frozen=True, slots=True)
class NewCardSession:
    """A caller's description of a visit to the card page; `create_session` checks it."""

    pg: str
    _: KW_ONLY
    customer: str | None = None
    """The merchant's own id of the customer; needed without a subscription."""
    amount: int = 0
    """What the window charges, in minor units; 0 registers the card only."""
    currency: str = "KRW"
    product: str = "정기결제 카드 등록"
    buyer_name: str | None = None
    buyer_email: str | None = None
    buyer_tel: str | None = None
    subscription_id: str | None = None
    return_url: str | None = None
    language: Language = Language.KO
    life: timedelta = DEFAULT_LIFE


def create_session(ports: Ports, wanted: NewCardSession, *, return_hosts: tuple[str, ...] = ()) -> CardSession:
    """Store a session. `return_hosts` are the hosts to which the page may send the customer back.

    Raises InvalidInput for a PG without a window, a sum that it does not take, a missing field of the buyer, or an
    address that is not allowed. Raises Conflict for a canceled subscription.
    """
    with ports.database.transaction() as uow:
        session = add_session(ports, uow, wanted, ports.clock.moment(), return_hosts=return_hosts)
        uow.commit()
    return session


def add_session(
    ports: Ports, uow: UnitOfWork, wanted: NewCardSession, moment: Moment, *, return_hosts: tuple[str, ...] = ()
) -> CardSession:
    """The same within the caller's transaction. Nothing is written before an error is raised."""
    pg = require_pg(entered("pg", wanted.pg, LONGEST_PG).partition(".")[0], Flow.WINDOW)
    money = _money(wanted, pg.code)
    require_buyer(pg.code, {name: getattr(wanted, name) for name in ("buyer_name", "buyer_email", "buyer_tel")})
    if not SHORTEST_LIFE <= wanted.life <= LONGEST_LIFE:
        raise InvalidInput("expires_in", f"{wanted.life.total_seconds():g}", "must be 60 s to 30 days, in seconds")
    subscription = _subscription(uow, wanted)
    if subscription is not None and money.amount and pg.code not in ISSUED_BY_PAYMENT:
        problem = f"must be 0 for a subscription: {named(pg)} registers the card, and what is owed is charged then"
        raise InvalidInput("amount", money.amount, problem)
    name = ports.ids.new("card").removeprefix("card_")
    session = CardSession(
        id=ports.ids.new("cs"),
        customer=subscription.customer if subscription else _customer(wanted),
        customer_uid=f"{ports.environment}-{name}",
        merchant_uid=f"{ports.environment}card{name}"[:40],
        pg=wanted.pg,
        money=money,
        product=entered("product", wanted.product, LONGEST_PRODUCT),
        language=wanted.language,
        created_at=moment.billing,
        expires_at=moment.real + wanted.life,
        buyer_name=_optional("buyer_name", wanted.buyer_name, LONGEST_BUYER_NAME),
        buyer_email=_optional("buyer_email", wanted.buyer_email, LONGEST_BUYER_EMAIL),
        buyer_tel=_optional("buyer_tel", wanted.buyer_tel, LONGEST_BUYER_TEL),
        subscription_id=wanted.subscription_id,
        return_url=_return_url(wanted.return_url, return_hosts),
    )
    uow.card_sessions.add(session)
    note(ports, uow, Verb.CARD_SESSION_CREATED, session.id, at=moment.real)
    return session


def _money(wanted: NewCardSession, pg: str) -> Money:
    if wanted.currency not in EXPONENTS:
        raise InvalidInput("currency", wanted.currency, "is not an ISO 4217 currency code such as KRW or USD")
    if wanted.amount:
        money = Money.charge(wanted.amount, wanted.currency)
        require_money(pg, money)
        return money
    if pg in ISSUED_BY_PAYMENT:
        raise InvalidInput("amount", 0, "must be more than 0: paymentwall issues a key only with a payment")
    return Money(0, wanted.currency)


def _subscription(uow: UnitOfWork, wanted: NewCardSession) -> Subscription | None:
    if wanted.subscription_id is None:
        return None
    try:
        found = uow.subscriptions.get(wanted.subscription_id)
    except NotFound as error:
        raise InvalidInput("subscription_id", wanted.subscription_id, "there is no such subscription") from error
    if found.status is SubscriptionStatus.CANCELED:
        raise Conflict(f"subscription {found.id} is canceled", field="subscription_id")
    if wanted.customer is not None and wanted.customer != found.customer:
        raise InvalidInput("customer", wanted.customer, f"is not the customer of {found.id}; leave it out")
    pg, plan = wanted.pg.partition(".")[0], uow.plans.get(found.plan_id)
    require_money(pg, plan.money, "pg")
    require_options(pg, plan.options, plan.money, "pg")
    return found


def _customer(wanted: NewCardSession) -> str:
    if wanted.customer is None:
        raise InvalidInput("customer", None, "is needed, or a subscription_id")
    return entered("customer", wanted.customer, LONGEST_CUSTOMER)


def _return_url(url: str | None, hosts: tuple[str, ...]) -> str | None:
    """An address of the merchant's own shop. An open redirect would lend this page's name to any other."""
    if url is None:
        return None
    parts = urlsplit(entered("return_url", url, LONGEST_RETURN_URL, ascii_only=True))
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("https", "http") or parts.username is not None or host not in hosts:
        problem = "must be an http(s) address of a host in BILLING_CARD_RETURN_HOSTS"
        raise InvalidInput("return_url", f"{parts.scheme}://{host}", problem)
    if parts.scheme == "http" and host not in ("localhost", "127.0.0.1"):
        raise InvalidInput("return_url", f"http://{host}", "must be https, except on this machine")
    return url


def _optional(field: str, value: str | None, longest: int) -> str | None:
    return None if value is None else entered(field, value, longest)
