"""The checks of `doctor` on settings: each bad one is named, and the rest is checked without it."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing_worker import bootstrap
from billing_worker.cli.finding import Finding, failed, ok
from billing_worker.config import Settings
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.texts.words import Words


@dataclass(frozen=True, slots=True)
class Usable:
    """The settings of which a process can be made, and what is wrong with the others."""

    settings: Settings
    """Without the parts that are wrong."""
    faults: Sequence[SettingsInvalid]
    """One for each part, with the name of its setting and the way out."""
    without: frozenset[str]
    """The settings that were left out."""

    @property
    def has_database(self) -> bool:
        """Whether the address of the database is known."""
        return "database_url" not in self.without

    @property
    def has_broker(self) -> bool:
        """Whether the address of the broker is known."""
        return "broker_url" not in self.without


def usable(settings: Settings) -> Usable:
    """Assemble each part alone, so that a fault is that of its own setting, and several are found at once."""
    faults: list[SettingsInvalid] = []
    without: set[str] = set()
    for assemble, own in bootstrap.PARTS:
        try:
            assemble(settings)
        except SettingsInvalid as error:
            faults.append(error)
            without.update(own)
            settings = settings.model_copy(update=dict.fromkeys(own))
    return Usable(settings, faults, frozenset(without))


def findings(found: Usable, words: Words) -> list[Finding]:
    """One line for each bad setting, or one that all are readable."""
    if not found.faults:
        return [ok("settings", words.say("doctor.settings"))]
    return [failed("settings", error, words) for error in found.faults]
