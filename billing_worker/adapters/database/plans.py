"""Plans in PostgreSQL."""

from collections.abc import Sequence

from sqlalchemy import select

from billing_worker.adapters.database import rows
from billing_worker.adapters.database.repository import Repository
from billing_worker.adapters.database.tables.billing import plans
from billing_worker.domain.plan import Plan


class SqlPlans(Repository[Plan]):
    """Plans."""

    table = plans
    kind = "plan"
    hydrate = staticmethod(rows.to_plan)
    values = staticmethod(rows.plan_values)

    def add(self, entity: Plan) -> None:
        """Store a new plan. Raises Conflict, with the id of the plan that already has its external_id."""
        self.add_alone(entity, external_id=entity.external_id)

    def all(self) -> Sequence[Plan]:
        """Every plan: a merchant has as many as prices."""
        return self._many(select(plans))
