"""What customers heard: messengers that listen, and the grammar that no two notices may break."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from billing_worker.adapters.database.unit_of_work import SqlDatabase
from billing_worker.domain.language import Language
from billing_worker.domain.notices.notice import Channel, NoticeKind
from billing_worker.domain.notices.switches import DEFAULT_KINDS, switches_of
from billing_worker.domain.pg_limits import Quiet
from billing_worker.ports.notices import CardLinks, Letter, Messenger, Noticing
from billing_worker.ports.outgoing import Address, Refusal
from billing_worker.texts.notices.wording import Templates
from tests.support.world import World

K = NoticeKind

NEXT: Mapping[str, Sequence[NoticeKind]] = {
    "begin": (K.FAILED, K.LAST_WARNING, K.GIVEN_UP),
    K.FAILED: (K.FAILED, K.LAST_WARNING, K.GIVEN_UP, K.RECOVERED),
    K.LAST_WARNING: (K.FAILED, K.LAST_WARNING, K.GIVEN_UP, K.RECOVERED),
    # With another card, which is declined too.
    K.GIVEN_UP: (K.FAILED, K.LAST_WARNING, K.GIVEN_UP, K.RECOVERED),
    K.RECOVERED: (),
}
"""Which notice about an invoice may follow which."""


@dataclass
class Ear:
    """A customer at the other end of a channel, or of all."""

    trouble: str | None = None
    refuses: Callable[[Letter], Refusal | None] = lambda _letter: None
    heard: list[Letter] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Ids of all deliveries, taken or not."""
    address: Address = field(default_factory=lambda: Address("ear", "https://shop.example/notices"))

    def send(self, letter: Letter, at: datetime) -> Refusal | None:  # noqa: ARG002 - as the port has it
        self.asked.append(letter.id)
        refusal = Refusal(self.trouble) if self.trouble else self.refuses(letter)
        if refusal is None:
            self.heard.append(letter)
        return refusal

    @property
    def kinds(self) -> list[str]:
        """What was heard, in order."""
        return [str(letter.kind) for letter in self.heard]


def contradictions(heard: Sequence[Letter]) -> list[str]:
    """How these notices, in the order in which they arrived, contradict each other."""
    states: defaultdict[str, str] = defaultdict(lambda: "begin")
    found: list[str] = []
    for letter in heard:
        about = letter.facts["invoice_id"]
        if about is None:
            continue
        if letter.kind not in NEXT[states[str(about)]]:
            found.append(f"{letter.kind} of {about} came after {states[str(about)]}")
        states[str(about)] = letter.kind
    ids = [letter.id for letter in heard]
    return found + [f"{each} came twice" for each in set(ids) if ids.count(each) > 1]


def noticing(
    messengers: Mapping[Channel, Messenger],
    *,
    kinds: str = DEFAULT_KINDS,
    quiet: Quiet | None = None,
    language: Language = Language.KO,
    links: CardLinks | None = None,
) -> Noticing:
    """How customers are told in a test: without quiet hours unless it names some."""
    return Noticing(messengers, Templates(), switches_of(kinds), language, quiet, links)


def telling(world: World, told: Noticing) -> World:
    """The world with notices by these channels."""
    database = world.ports.database
    assert isinstance(database, SqlDatabase)
    return world.with_ports(noticing=told, database=replace(database, channels=tuple(told.messengers)))
