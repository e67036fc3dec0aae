"""Stops: scopes in which no new charge begins until an operator clears the stop."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.stop import LONGEST_REASON, StopCause
from billing_worker.ports.lists import Kind
from billing_worker.usecases.control.stop_charging import clear_stop, stop_on_word, wait_for_begun
from billing_worker.usecases.reading.views.control import StopView, of_stop
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    READS,
    Described,
    Input,
    Instant,
    Lists,
    Number,
    Page,
    Paging,
    Text,
    Word,
    example,
)
from billing_worker.web.context import Ctx
from billing_worker.web.openapi import MONEY

router = APIRouter(prefix="/stops", tags=["stops"])


class StopInput(Input):
    """The scope of a stop, and its reason."""

    model_config = example(scope="all", reason="amounts look wrong")

    scope: Annotated[Text, Described(pattern=r"^(all|pg:[a-z0-9_]{1,40}|subscription:[A-Za-z0-9_]{1,40})$")] = Field(
        max_length=80, description="`all`, `pg:NAME` or `subscription:ID`"
    )
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)


class ClearInput(Input):
    """The note of the operator who clears a stop."""

    model_config = example(note="checked with the bank")

    note: Text = Field(min_length=1, max_length=LONGEST_REASON)


class StopQuery(Paging):
    """The filters of the list of stops."""

    open: bool | None = Field(None, description="Only those that hold charges now, or only cleared ones")
    scope: Word | None = Field(None, description="Only of this scope")
    cause: StopCause | None = Field(None, description="Only for this cause")
    opened_after: Instant | None = Field(None, description="Opened at or after this")
    opened_before: Instant | None = Field(None, description="Opened before this")


@router.get("", responses=READS, name="list_stops")
def list_stops(query: Annotated[StopQuery, Query()], lists: Lists) -> Page[StopView]:
    """List open and cleared stops, newest first."""
    return lists.of(Kind.STOPS, query)


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="stop_charging", openapi_extra=MONEY)
def stop(wanted: StopInput, context: Ctx) -> StopView:
    """Stop charging in a scope. After this answer no new charge begins there. An open stop keeps its number."""
    stopped = stop_on_word(context.ports, wanted.scope, wanted.reason, waits=False)
    context.then(wait_for_begun)
    return of_stop(stopped.stop, stopped.waiting)


@router.post("/{stop_id}/clear", dependencies=[JSON], responses=CHANGES, name="clear_stop", openapi_extra=MONEY)
def clear(stop_id: Number, wanted: ClearInput, context: Ctx) -> StopView:
    """Clear the stop. The breaches and invoices that caused it are accepted, and will not trigger another."""
    cleared = clear_stop(context.ports, stop_id, wanted.note)
    return of_stop(cleared.stop, cleared.waiting)
