"""What `why` tells, with its alerts and ways out in words."""

from billing_worker.domain.language import Language
from billing_worker.texts.alerts import line, shown_action, ways_out
from billing_worker.usecases.reading.why import Explanation


def view_of_explanation(told: Explanation, language: Language) -> dict[str, object]:
    """The explanation as the command line and the API show it."""
    return {
        "subject": told.subject,
        "answer": told.answer,
        "history": told.history,
        "next": " ".join(filter(None, (told.next, _sentence(ways_out(told.ways_out, language))))),
        "ways_out": [shown_action(way, language) for way in told.ways_out],
        "alerts": [line(alert, language) for alert in told.alerts],
        "actions": told.actions,
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
