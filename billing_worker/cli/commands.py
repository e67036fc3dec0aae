"""The commands of `billing-worker`, and the assembly of those that a command line needs.

A command's module is imported when its name is among the words typed. All others are listed with their sentence below.
So `--help` loads no database driver.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import typer

from billing_worker import __version__

START, BILLING, CHECK, PROCESSES = "Start here", "Billing", "Look and check", "Processes"


@dataclass(frozen=True, slots=True)
class Listed:
    """One command: its module, and its sentence in the list of commands."""

    name: str
    module: str
    summary: str
    panel: str
    passes_arguments_on: bool = False

    def load(self) -> typer.Typer | Callable[..., None]:
        """A group (`app`), or the function with the command's name."""
        module = import_module(f"billing_worker.cli.{self.module}")
        found: typer.Typer | Callable[..., None] = getattr(module, "app", None) or getattr(module, self.module)
        return found


COMMANDS = (
    Listed("demo", "demo", "See three months of billing in about a minute, against the sandbox.", START),
    Listed("up", "up", "Run everything: web, workers, beat, Flower, and each service without a URL.", START),
    Listed("plan", "plan", "Create and show plans: price, calendar, dunning.", BILLING),
    Listed("dunning", "dunning", "Create, show and preview policies for tries after a decline.", BILLING),
    Listed("key", "key", "Register and show billing keys.", BILLING),
    Listed("card-session", "card_session", "Make a link on which a customer gives a card.", BILLING),
    Listed("pg", "pg", "Show what each PG behind PortOne has, requires, forbids and cuts.", BILLING),
    Listed("subscription", "subscription", "Create, show and cancel subscriptions; change their key.", BILLING),
    Listed("customer", "customer", "Show everything about one customer, by your own id.", BILLING),
    Listed("invoice", "invoice", "Show invoices and their attempts; retry one.", BILLING),
    Listed("payment", "payment", "Charge a stored key once, now or at a time, without a subscription.", BILLING),
    Listed("schedule", "schedule", "Show charges registered at PortOne; compare with PortOne; revoke all.", BILLING),
    Listed("shadow", "shadow", "Show what would have been charged beside another biller, and what differed.", BILLING),
    Listed("refund", "refund", "Give money back, in part or whole; list and show refunds.", BILLING),
    Listed("import", "import_", "Register keys and subscribe customers from a CSV file.", BILLING),
    Listed("notice", "notice", "Show what customers heard, and how notices read.", CHECK),
    Listed("event", "event", "Show outgoing events and the health of your receiver; send events again.", CHECK),
    Listed("why", "why", "Explain why something was, or was not, charged, and what happens next.", CHECK),
    Listed("decline", "decline", "Explain what the text of a decline means, and what helps.", CHECK),
    Listed("report", "report", "Show the sums of the books, by month and now.", CHECK),
    Listed("alert", "alert", "Show and close alerts for operators.", CHECK),
    Listed("action", "action", "List who changed what, and when.", CHECK),
    Listed("inbox", "inbox", "Show webhooks and pingbacks; look into them again.", CHECK),
    Listed("catch-up", "catch_up", "Show late periods after an outage, and decide on them.", CHECK),
    Listed("audit", "audit", "Check the invariants in the database and at the gateway.", CHECK),
    Listed("breaker", "breaker", "Stop and resume charging for all, one PG or one subscription.", CHECK),
    Listed("reconcile", "reconcile", "Look up unclear charges, and compare both books now.", CHECK),
    Listed("doctor", "doctor", "Check settings, servers and gateway, and show the way out of each problem.", CHECK),
    Listed("simulate", "simulate", "Run years of billing on a virtual clock with seeded faults.", CHECK),
    Listed("settings", "settings", "List every setting with its value and purpose.", CHECK),
    Listed("web", "web", "Run the receiver and the HTTP API.", PROCESSES),
    Listed("token", "token", "Create, list and revoke tokens of the HTTP API.", PROCESSES),
    Listed("sandbox", "sandbox", "Run a stand-in for PortOne and Paymentwall.", PROCESSES, passes_arguments_on=True),
    Listed("db", "db", "Create or update the tables, or check them.", PROCESSES),
)

PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
"""Settings of a command that reads its own arguments."""


def assemble(words: Sequence[str], *, everything: bool = False) -> typer.Typer:
    """The application: the commands among `words` are loaded, the others only listed."""
    app = typer.Typer(name="billing-worker", context_settings={"help_option_names": ["-h", "--help"]})
    app.callback(help=_flowing(root))(root)
    for listed in COMMANDS:
        found = listed.load() if everything or listed.name in words else _only_listed
        settings = PASS_ON if listed.passes_arguments_on else None
        if isinstance(found, typer.Typer):
            for each in found.registered_commands:
                each.help = _flowing(each.callback)
            if found.registered_callback is not None:
                found.registered_callback.help = _flowing(found.registered_callback.callback)
            app.add_typer(found, name=listed.name, rich_help_panel=listed.panel, short_help=listed.summary)
        else:
            command = app.command(
                listed.name,
                help=_flowing(found),
                short_help=listed.summary,
                rich_help_panel=listed.panel,
                context_settings=settings,
            )
            command(found)
    return app


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - the signature that typer calls
    if wanted:
        typer.echo(f"billing-worker {__version__}")
        raise typer.Exit


def root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A recurring billing worker for PortOne billing keys.

    Every due period is charged once, at the right time, or you know exactly why not.

    Begin with: billing-worker demo. Settings are environment variables BILLING_…, or lines of a file .env; see:
    billing-worker settings. Every command has --help; all with an answer also have --json.
    """


def _only_listed() -> None:
    """The placeholder of a command that is only listed."""


def _flowing(function: Callable[..., object] | None) -> str:
    """The docstring with each paragraph on one line, for the terminal to fold."""
    paragraphs = inspect.getdoc(function) or ""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs.split("\n\n"))
