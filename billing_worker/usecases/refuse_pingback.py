"""A genuine pingback that is refused comes back every half hour: somebody has to be told, once."""

from billing_worker.ports import Ports

KIND = "pingback_refused"
PROPOSAL = {
    "parameters": "name the parameter in BILLING_PAYMENTWALL_PARAMETERS and restart; a value that cannot be right: "
    "correct the project's custom pingback parameters at Paymentwall",
    "is_test": "somebody tests with the live project's secret, or this project is still in test mode: "
    "look at its settings at Paymentwall",
}


def refuse_pingback(ports: Ports, subject: str, detail: str) -> None:
    """Open the alert about one reason of refusing, or leave the one that is open as it is: a flood writes nothing."""
    with ports.database.transaction() as uow:
        if any(alert.kind == KIND for alert in uow.alerts.of_subject(f"paymentwall {subject}")):
            return
        subject_id, now = f"paymentwall {subject}", ports.clock.now()
        uow.alerts.open("pingback_refused", subject_id, detail, now, proposal=PROPOSAL[subject])
        uow.commit()
