"""The register of merchant_uids in memory."""

from dataclasses import dataclass

from billing_worker.simulation.memory.tables import Table


@dataclass(slots=True)
class OrderId:
    """A merchant_uid that belongs to an invoice for good."""

    id: str
    invoice_id: str
    generation: int


class OrderIds(Table[OrderId]):
    """The register of merchant_uids."""

    kind, entity = "merchant_uid", OrderId
