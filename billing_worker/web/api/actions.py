"""Who did what, and when."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.domain.action import Verb
from billing_worker.ports.lists import Kind
from billing_worker.web.api.shapes import READS, Instant, Lists, Page, Paging, Word

router = APIRouter(prefix="/actions", tags=["actions"])


class ActionQuery(Paging):
    """Which actions to list."""

    subject_id: Word | None = Field(None, description="Only on this thing; numbers as `stop:12`, `alert:3`")
    actor: Word | None = Field(None, description="Only of this actor: `token:NAME`, `cli:USER` or `worker`")
    verb: Verb | None = Field(None, description="Only of this kind")
    acted_after: Instant | None = Field(None, description="Done at or after this")
    acted_before: Instant | None = Field(None, description="Done before this")


class ActionOutput(BaseModel):
    """What somebody did."""

    id: int
    actor: str = Field(description="`token:NAME`, `cli:USER`, or `worker` itself", examples=["token:shop"])
    verb: Verb
    subject_id: str = Field(description="What it was done to", examples=["sub_0123456789abcdef"])
    at: datetime
    detail: str | None


@router.get("", responses=READS, name="list_actions")
def list_actions(query: Annotated[ActionQuery, Query()], lists: Lists) -> Page[ActionOutput]:
    """List who did what, newest first. Nothing here is ever changed or deleted."""
    return lists.of(Kind.ACTIONS, query, lambda action: ActionOutput.model_validate(action, from_attributes=True))
