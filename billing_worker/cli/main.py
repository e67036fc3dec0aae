"""The entry of the command line: arguments in, exit status out. Only this module turns errors into messages.

A foreseeable mistake is one line on standard error, and with `--json` one JSON object there. Exit status: 2 for a
mistake of the caller (an argument, a value, a setting), 1 for any other error, 130 after Ctrl-C.
"""

import contextlib
import errno
import io
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from billing_worker.cli.commands import assemble
from billing_worker.cli.streams import speaks_unicode
from billing_worker.domain.card_numbers import without_card_numbers
from billing_worker.domain.errors import BillingError, Conflict, InvalidInput, NotFound, SettingsInvalid
from billing_worker.runtime.errors import RuntimeProblem

NAME = "billing-worker"
FAILED, WRONG, INTERRUPTED = 1, 2, 130

TRACEBACK = "--traceback"
"""Not in the help: only for bug reports."""

LISTED_BY = {
    "plan": "plan list",
    "billing key": "key list",
    "subscription": "subscription list",
    "invoice": "invoice list",
    "attempt": "invoice show INVOICE_ID",
    "refund": "refund list",
    "schedule": "schedule list",
    "alert": "alert list",
    "event": "event list",
    "inbox message": "inbox list",
    "stop": "breaker list --cleared",
    "customer": "subscription list",
    "token": "token list",
    "dunning policy": "dunning list",
    "payment": "payment list",
    "notice": "notice list",
    "fallback key": "subscription fallbacks SUBSCRIPTION_ID",
    "PG": "pg list",
}


def run() -> None:
    """Run the command line of this process."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without Unicode shows \uc11c instead of failing.
            stream.reconfigure(errors="backslashreplace")
    status = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        # The reader of our output is gone, or a disk is full. Python would report that during its shutdown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = status or _reported(error, as_json="--json" in sys.argv)
    sys.exit(status)


def _open_what_is_closed() -> None:
    """Open closed streams.

    A shell or a service manager may start us with them, and the command would end in a traceback.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the process ends


def main(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit status and raises nothing."""
    words = [word for word in arguments if word != TRACEBACK]
    try:
        _refuse_broken_text(words)
        app = assemble(words, everything="_BILLING_WORKER_COMPLETE" in os.environ)
        status = get_command(app).main(words or ["--help"], prog_name=NAME, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    except Exception as error:  # noqa: BLE001 - the one place where any mistake, also our own, becomes a line
        if len(words) != len(arguments):
            traceback.print_exc()
        return _reported(error, as_json="--json" in words)
    return status if isinstance(status, int) else 0


def _reported(error: Exception, *, as_json: bool) -> int:
    """Report the error; returns the exit status."""
    kind, status = type(error).__name__, FAILED
    match error:
        case BrokenPipeError():
            return FAILED
        case OSError(errno=errno.ENOSPC | errno.EIO):
            message, field = f"the output could not be written as a whole: {error.strerror}", None
        case NotFound():
            listed = LISTED_BY.get(error.kind)
            message, field = f"{error}; see: {NAME} {listed}" if listed is not None else str(error), None
        case InvalidInput() | SettingsInvalid():
            message, field, status = str(error), _field(error), WRONG
        case BillingError() | RuntimeProblem():
            message, field = str(error), _field(error)
        case TyperException():
            kind, message, field, status = "UsageError", _usage(error), _parameter(error), error.exit_code
        case _:
            message, field = _unforeseen(error), None
    existing = error.existing_id if isinstance(error, Conflict) else None
    _complain(kind, message, field, existing, as_json=as_json)
    return status


def _refuse_broken_text(words: Sequence[str]) -> None:
    for word in words:
        if not word.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in word):
            raise InvalidInput("arguments", word, "is not text in the encoding of this terminal; use UTF-8")


def _complain(kind: str, message: str, field: str | None, existing_id: str | None, *, as_json: bool) -> None:
    # An argument that holds a card number is not repeated, also not by the parser of arguments.
    line = without_card_numbers(" ".join(message.split()))
    if as_json:
        error = {"type": kind, "field": field, "message": line}
        error |= {} if existing_id is None else {"existing_id": existing_id}
        line = json.dumps({"error": error}, ensure_ascii=not speaks_unicode(sys.stderr))
    else:
        line = f"{NAME}: {line}"
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - an error of a command line


def _field(error: Exception) -> str | None:
    if isinstance(error, InvalidInput | Conflict):
        return error.field
    if isinstance(error, BillingError):
        name = str(error).partition(":")[0]
        return name if name.startswith("BILLING_") and " " not in name else None
    return None


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else NAME
    return f"{error.format_message().rstrip('.')}; see: {path} --help"


def _parameter(error: TyperException) -> str | None:
    parameter = getattr(error, "param", None)
    name = parameter.name if parameter is not None else getattr(error, "option_name", None)
    return str(name).lstrip("-") if name else None


def _unforeseen(error: Exception) -> str:
    # Without the exception's text: a driver may have put customer data into it.
    what = f"unexpected {type(error).__module__}.{type(error).__name__}: a mistake in billing-worker"
    return f"{what}; run it again with {TRACEBACK} and report what it prints"
