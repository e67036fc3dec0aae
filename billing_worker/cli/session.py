"""The session of a command: settings, ports on a ready database, and the output."""

import logging
import os
import pwd
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog
import typer

from billing_worker.cli.output import Output
from billing_worker.config import Settings, load_settings
from billing_worker.domain.calendar import zone_named
from billing_worker.ports.bundle import Ports
from billing_worker.texts.words import Words
from billing_worker.usecases.control.call_times import write_times

CONNECTIONS = 2
"""One for the transaction, one for the clock, which may be read meanwhile."""


@dataclass(frozen=True, slots=True)
class Session:
    """One running command.

    Bootstrap is imported when a command runs: it loads every adapter, and `--help` needs none of them.
    """

    settings: Settings
    ports: Ports
    engine: Any
    """Only for bootstrap's functions: its type belongs to the adapters."""
    out: Output

    @property
    def words(self) -> Words:
        """The words of the operator, in the language and the zone of the settings."""
        return Words(self.settings.language, zone_named(self.settings.timezone))

    def check_gateway(self) -> None:
        """Raise SettingsInvalid without the gateway's keys, or if a time machine must not run."""
        from billing_worker import bootstrap  # noqa: PLC0415 - see above

        bootstrap.check_gateway(self.settings)

    def upgrade_database(self) -> tuple[str | None, str]:
        """Bring the tables up to this release; returns the migration before and after.

        Progress and blocking sessions are reported on standard error: standard output is for the answer.
        """
        from billing_worker import bootstrap  # noqa: PLC0415 - see above

        return bootstrap.upgrade_database(self.engine, lambda line: typer.echo(line, err=True))


@contextmanager
def session(*, as_json: bool, checked: bool = True) -> Iterator[Session]:
    """Read the settings and open the database. Refuses tables of another release."""
    from billing_worker import bootstrap  # noqa: PLC0415 - see above

    settings = load_settings()
    quiet_logs(settings.secrets)
    ports, engine = bootstrap.build(settings, role="cli", connections=CONNECTIONS)
    ports = replace(ports, actor=f"cli:{whoami()}")
    try:
        if checked:
            bootstrap.check_database(engine)
        yield Session(settings, ports, engine, Output(as_json, settings.timezone))
    finally:
        with suppress(Exception):  # what a command says must not depend on it
            write_times(ports)
        release(ports, engine)


def in_words(work: Session) -> Session:
    """The same session, with the titles and values of its tables in the operator's language."""
    return replace(work, out=replace(work.out, words=work.words))


def whoami() -> str:
    """The account that runs the command: its name, or its number if it has none, as in a container."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
    return name if name.isprintable() else str(os.getuid())


def release(ports: Ports, engine: Any) -> None:
    """Close the connections to the database and to the gateway."""
    close = getattr(ports.gateway, "close", None)
    if close is not None:
        close()
    engine.dispose()


def quiet_logs(secrets: Collection[str] = ()) -> None:
    """Keep standard output for the answer: warnings go to standard error, the rest nowhere."""
    from billing_worker.logs import last_processors  # noqa: PLC0415 - it loads the adapters, as above

    structlog.configure(
        processors=[structlog.processors.add_log_level, *last_processors(secrets)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
