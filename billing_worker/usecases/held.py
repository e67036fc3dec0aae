"""Does Paymentwall hold back, or take back, the payment by which a key would be confirmed?"""

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.pingback import PingbackPayment
from billing_worker.ports.storage import UnitOfWork


def held_by(uow: UnitOfWork, key: BillingKey) -> PingbackPayment | None:
    """The newest payment at Paymentwall under this key's name, where nothing may confirm the key as it stands."""
    newest = uow.pingbacks.newest(key.customer_uid, key.goodsid)
    return newest if newest is not None and newest.blocks else None
