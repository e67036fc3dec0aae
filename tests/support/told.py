"""I22: no event contradicts another, and all of them together say what the database says."""

from typing import Any

from billing_worker.domain.event_order import BEGIN, Story

Row = dict[str, Any]

SAYS = {
    "invoice": {
        "begin": {"open"},
        "failing": {"open"},
        "paid": {"paid"},
        "uncollectible": {"uncollectible"},
        "void": {"void"},
        "void, paid": {"void"},
    },
    "subscription": {state: {state} for state in ("pending", "active", "past_due", "unpaid", "canceled")},
    "billing key": {"begin": {"pending", "active"}, "active": {"active"}, "invalid": {"invalid", "deleted"}},
    "alert": {"begin": {"open", "closed"}, "open": {"open"}, "closed": {"closed"}},
    "refund": {
        "begin": {"pending", "in_flight", "unknown"},
        "succeeded": {"succeeded"},
        "failed": {"failed"},
    },
}
"""For each state of what was told: the states in which the row may stand."""

# A card that is not kept has a key from which nothing ever follows, and of which nothing is told.
STATES = """
    SELECT 'invoice' AS whose, id, status FROM invoices UNION ALL
    SELECT 'subscription', id, status FROM subscriptions UNION ALL
    SELECT 'billing key', id, status FROM billing_keys WHERE customer_uid NOT LIKE 'once~_%' ESCAPE '~' UNION ALL
    SELECT 'refund', id, status FROM refunds UNION ALL
    SELECT 'alert', 'alert_' || id, CASE WHEN closed_at IS NULL THEN 'open' ELSE 'closed' END FROM alerts
"""

EVENTS = """
    SELECT id, type, subject_id, stream_id, stream_sequence, data, occurred_at FROM outbox
    ORDER BY stream_id, stream_sequence
"""


def contradictions(events: list[Row], states: list[Row]) -> list[str]:
    """What is wrong with the events, each stream in its order, and beside the rows they tell of."""
    story, found = Story(), []
    for row in events:
        problems = story.hear(row["type"], row["subject_id"], row["data"])
        problems += story.place(row["stream_id"], row["stream_sequence"])
        found += [f"I22: event {row['id']}: {problem}" for problem in problems]
    for row in states:
        state = story.states.get((row["whose"], row["id"]), BEGIN)
        if row["status"] not in SAYS[row["whose"]].get(state, ()):
            found.append(f"I22: {row['whose']} {row['id']} is {row['status']}, and was told to be: {state}")
    return found
