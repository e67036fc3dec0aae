"""Every state in which a thing may begin, and every change of it that is allowed: written down once more."""

EDGES = {
    ("attempt", "in_flight"): {"approved", "declined", "failed", "unknown"},
    ("attempt", "unknown"): {"approved", "declined", "failed"},
    ("attempt", "declined"): {"approved"},
    ("attempt", "failed"): {"approved"},
    ("invoice", "open"): {"paid", "uncollectible", "void"},
    ("invoice", "uncollectible"): {"paid", "open", "void"},
    ("subscription", "pending"): {"active", "past_due", "unpaid", "canceled"},
    ("subscription", "active"): {"past_due", "unpaid", "canceled"},
    ("subscription", "past_due"): {"active", "unpaid", "canceled"},
    ("subscription", "unpaid"): {"active", "canceled"},
    ("refund", "pending"): {"in_flight", "succeeded", "failed"},
    ("refund", "in_flight"): {"pending", "unknown", "succeeded", "failed"},
    ("refund", "unknown"): {"pending", "succeeded", "failed"},
    ("refund", "failed"): {"succeeded"},
    ("billing key", "pending"): {"active", "invalid"},
    ("billing key", "active"): {"invalid"},
    ("billing key", "invalid"): {"active"},
}
"""Every change of a status that is allowed. Late approval: declined or failed becomes approved."""

BEGINS = {
    "attempt": {"in_flight", "failed"},
    "invoice": {"open"},
    "subscription": {"pending"},
    "billing key": {"pending", "active"},
    "refund": {"pending"},
}
