"""Dunning policies: when a declined invoice is tried again, and what comes last."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from billing_worker.domain.dunning.definition import EXAMPLE
from billing_worker.domain.dunning.version import LONGEST_POLICY_NAME
from billing_worker.ports.lists import Kind
from billing_worker.usecases.dunning.policies import create_policy
from billing_worker.usecases.reading.one import policy_with
from billing_worker.usecases.reading.views.dunning import DunningPolicyView, of_policy
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    READS,
    READS_ONE,
    Created,
    Described,
    Input,
    Lists,
    Page,
    Text,
    Word,
    example,
)
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/dunning-policies", tags=["dunning policies"])

Named = Annotated[
    str, Path(pattern=r"^[a-z0-9-]{1,64}(@[0-9]{1,9})?$", description="A policy, or one version by its id")
]


class DunningPolicyInput(Input):
    """A policy, or the next version of one."""

    model_config = example(name="paydays", definition={"steps": ["1d paydays 10:00", "1d paydays 10:00"]})

    name: Annotated[Text, Described(pattern=rf"^[a-z0-9]([a-z0-9-]{{0,{LONGEST_POLICY_NAME - 2}}}[a-z0-9])?$")] = Field(
        description="Small letters, digits and hyphens", examples=["paydays"]
    )
    definition: dict[str, Any] = Field(
        description="`steps`, and what else docs/dunning.md lists; unknown fields are refused", examples=[dict(EXAMPLE)]
    )


class DunningPolicyQuery(Created):
    """The filters of the list of policies."""

    name: Word | None = Field(None, description="Only the versions of this policy")


class VersionQuery(Input):
    """Which version."""

    version: Annotated[int, Field(strict=False, ge=1, le=2**31 - 1)] | None = Field(
        None, description="Default: the newest"
    )


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="create_dunning_policy")
def create(wanted: DunningPolicyInput, context: Ctx) -> DunningPolicyView:
    """Create a policy or, under a known name, its next version. The same definition again is the same version."""
    return of_policy(create_policy(context.ports, wanted.name, wanted.definition))


@router.get("", responses=READS, name="list_dunning_policies")
def list_policies(query: Annotated[DunningPolicyQuery, Query()], lists: Lists) -> Page[DunningPolicyView]:
    """List every version of every policy, newest first."""
    return lists.of(Kind.DUNNING_POLICIES, query)


@router.get("/{name}", responses=READS_ONE, name="get_dunning_policy")
def get(name: Named, query: Annotated[VersionQuery, Query()], context: Ctx) -> DunningPolicyView:
    """Show one policy: its newest version, or the one asked for."""
    return policy_with(context.ports, name, query.version)
