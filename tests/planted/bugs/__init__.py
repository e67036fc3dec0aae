"""All planted bugs, by what they touch. A new module of bugs is added here."""

from tests.planted.bug import Bug
from tests.planted.bugs import (
    books_and_backlog,
    charging,
    described,
    doors,
    growing,
    hardening,
    judging,
    many_at_a_time,
    money_and_time,
    outside,
    pausing,
    paymentwall_keys,
    pgs,
    queue_and_schema,
    receiving,
    refunds_and_stops,
    resolving,
    telling,
)

BUGS: tuple[Bug, ...] = (
    *books_and_backlog.BUGS,
    *charging.BUGS,
    *described.BUGS,
    *doors.BUGS,
    *growing.BUGS,
    *hardening.BUGS,
    *judging.BUGS,
    *many_at_a_time.BUGS,
    *resolving.BUGS,
    *queue_and_schema.BUGS,
    *outside.BUGS,
    *pausing.BUGS,
    *paymentwall_keys.BUGS,
    *pgs.BUGS,
    *receiving.BUGS,
    *money_and_time.BUGS,
    *refunds_and_stops.BUGS,
    *telling.BUGS,
)
