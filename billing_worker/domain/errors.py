"""The errors a caller may expect.

BillingError
├── InvalidInput         a value that was given to us is wrong; names the field and the way out
│   └── PingbackRefused  in a signed pingback: an operator must change a setting
├── NotFound             no such plan, key, subscription, invoice or attempt
├── Conflict             valid, but not possible now: a duplicate, or something else must happen first
├── InvalidTransition    a state change that the tables in this package do not allow: our own mistake
├── SettingsInvalid      a setting is missing or wrong; names the variable
├── SignatureInvalid     a pingback that the gateway's secret did not sign
└── Unavailable          the database, the broker or the gateway does not answer
    ├── Busy             the database answers, but another transaction holds the row; nothing was done
    └── ReadOnly         the database answers, but writes nothing: a standby, or a read-only one

A declined payment is not an error: it is an outcome (see `payment`). No error repeats a card number.
"""

from billing_worker.domain.card_numbers import holds_card_number


class BillingError(Exception):
    """The root. Its text is one line for a human reader."""


def line_of(error: Exception) -> str:
    """An error of ours in its own words; any other only by its name, since its text may hold a customer's data."""
    return str(error) if isinstance(error, BillingError) else type(error).__name__


class InvalidInput(BillingError):
    """A value that was given to us is wrong.

    `field` is the name the caller used, `problem` says what is wrong with the value and what would be right. A value of
    None was not given.
    """

    def __init__(self, field: str, value: object, problem: str) -> None:
        self.field = field
        self.value = "…" if isinstance(value, str) and holds_card_number(value) else value
        self.problem = problem
        super().__init__(f"{field}: {problem}" + ("" if value is None else f" (got {_shown(self.value)})"))


class NotFound(BillingError):
    """The named object does not exist."""

    def __init__(self, kind: str, ident: str) -> None:
        self.kind = kind
        self.ident = ident
        super().__init__(f"no {kind} {_shown(ident)}")


class Conflict(BillingError):
    """The request is valid, but the present state does not allow it."""

    def __init__(self, problem: str, *, field: str | None = None, existing_id: str | None = None) -> None:
        self.field = field
        self.existing_id = existing_id
        """The id of the existing object, if that is the conflict."""
        super().__init__(problem)


class InvalidTransition(BillingError):
    """A state change that the transition tables do not allow."""

    def __init__(self, kind: str, ident: str, current: str, wanted: str) -> None:
        super().__init__(f"{kind} {ident} cannot go from {current} to {wanted}")


class SettingsInvalid(BillingError):
    """A setting is missing or wrong, or several are: its text has all `problems` in one line."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        """One for each setting that is wrong, with its name and the way out."""
        super().__init__("; ".join(problems))


class TemplateInvalid(BillingError):
    """A template of a notice cannot be rendered; the message names the file and the line."""


class SignatureInvalid(BillingError):
    """The signature of an incoming notification is missing or wrong."""


class PingbackRefused(InvalidInput):
    """A signed notification that is refused. The sender repeats it until an operator acts."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, "…", problem)


class Unavailable(BillingError):
    """A service outside does not answer; a later try may succeed."""


class Busy(Unavailable):
    """The database answers, but another transaction holds a row that is needed; nothing was done."""


class ReadOnly(Unavailable):
    """The database answers, but does not write: a standby, or a read-only database."""


LONGEST_ECHO = 80
"""An error shows a wrong value up to this many characters, so that it stays one line."""


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        text = f"a {type(value).__name__} that is too long to show"
    if holds_card_number(text):
        return "…"
    return text if len(text) <= LONGEST_ECHO else text[:LONGEST_ECHO] + "…"
