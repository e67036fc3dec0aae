"""The log of actions: who changed what, and when."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.action import Verb
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.views.control import ActionView
from billing_worker.web.api.shapes import READS, Instant, Lists, Page, Paging, Word

router = APIRouter(prefix="/actions", tags=["actions"])


class ActionQuery(Paging):
    """The filters of the list of actions."""

    subject_id: Word | None = Field(None, description="Only on this thing; numbers as `stop:12`, `alert:3`")
    actor: Word | None = Field(None, description="Only of this actor: `token:NAME`, `cli:USER` or `worker`")
    verb: Verb | None = Field(None, description="Only of this kind")
    acted_after: Instant | None = Field(None, description="Done at or after this")
    acted_before: Instant | None = Field(None, description="Done before this")


@router.get("", responses=READS, name="list_actions")
def list_actions(query: Annotated[ActionQuery, Query()], lists: Lists) -> Page[ActionView]:
    """List actions, newest first. An action is never changed or deleted."""
    return lists.of(Kind.ACTIONS, query)
