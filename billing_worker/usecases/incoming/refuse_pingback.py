"""A genuine pingback that is refused comes back every half hour: somebody has to be told, once."""

from billing_worker.ports.bundle import Ports

KIND = "pingback_refused"
MOST_SUBJECTS = 10
"""At most this many open alerts, one per parameter; everything beyond shares one more. A forger can invent parameter
names without breaking the signature, and must not be able to flood the list."""
LATEST = 200
"""Open alerts that are looked through for them."""

ANNOUNCE = (
    "name the parameter in BILLING_PAYMENTWALL_PARAMETERS and restart; where its value cannot be right, or it is "
    "missing, correct the project's custom pingback parameters at Paymentwall; or somebody forges: then leave it"
)
TESTED = (
    "somebody tests with the live project's secret, or this project is still in test mode: look at its settings at "
    "Paymentwall"
)


def refuse_pingback(ports: Ports, field: str, detail: str, proposal: str) -> None:
    """Open the alert about this field, or leave the one that is open as it is: a flood writes nothing."""
    subject = f"paymentwall {field}"
    with ports.database.transaction() as uow:
        if any(alert.kind == KIND for alert in uow.alerts.of_subject(subject)):
            return
        known = {alert.subject_id for alert in uow.alerts.list_open(LATEST) if alert.kind == KIND}
        if len(known) >= MOST_SUBJECTS:
            subject = "paymentwall others"
        uow.alerts.open("pingback_refused", subject, detail, ports.clock.now(), proposal=proposal)
        uow.commit()
