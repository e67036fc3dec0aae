"""`python -m billing_worker.sandbox`: flags to options."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from billing_worker.sandbox.clock import TimeMachine
from billing_worker.sandbox.latency import Quantiles
from billing_worker.sandbox.options import SandboxOptions
from billing_worker.sandbox.server import run
from billing_worker.sandbox.world.behaviour_docs import markdown_table

DEFAULTS = SandboxOptions()


def _parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show the message of a ValueError, which it would otherwise replace by its own."""

    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as problem:
            raise argparse.ArgumentTypeError(str(problem)) from problem

    return read


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(
        prog="billing-worker sandbox",
        description="A stand-in for the PortOne REST API V1 and Paymentwall's pingbacks. No real money moves.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    described.add_argument("--behaviours", action="store_true", help="print the table of behaviours and end")
    _serving(described.add_argument_group("serving"))
    _sending(described.add_argument_group("webhooks and pingbacks"))
    _behaving(described.add_argument_group("time and behaviour"))
    return described


def _serving(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--host", default=DEFAULTS.host)
    group.add_argument("--port", type=int, default=DEFAULTS.port)
    group.add_argument("--ledger", type=Path, help="durable books, one JSON per line; without it they are in memory")
    group.add_argument("--imp-key", default=DEFAULTS.imp_key)
    group.add_argument("--imp-secret", default=DEFAULTS.imp_secret)
    group.add_argument("--token-lifetime", type=float, default=DEFAULTS.token_lifetime, help="real seconds")
    group.add_argument("--requests-kept", type=int, default=DEFAULTS.requests_kept)
    group.add_argument(
        "--control-from-anywhere", action="store_true", help="/_sandbox also answers other hosts than loopback"
    )


def _sending(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--webhook-url")
    group.add_argument("--webhook-format", choices=["json", "form"], default=DEFAULTS.webhook_format)
    group.add_argument("--webhook-attempts", type=int, default=DEFAULTS.webhook_attempts, help="6 = 1 + 5 retries")
    group.add_argument("--webhook-interval", type=float, default=DEFAULTS.webhook_interval, help="real seconds")
    group.add_argument("--pingback-url")
    group.add_argument("--pingback-secret", default=DEFAULTS.pingback_secret)
    group.add_argument("--pingback-test-secret", default=DEFAULTS.pingback_test_secret)
    group.add_argument("--pingback-version", type=int, choices=[1, 2, 3], default=DEFAULTS.pingback_version)
    group.add_argument("--pingback-interval", type=float, default=DEFAULTS.pingback_interval, help="real seconds")
    group.add_argument("--confirm-after", type=float, default=DEFAULTS.confirm_after, help="real seconds (Paymentwall)")


def _behaving(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--latency", type=_parsed(Quantiles.parse), metavar="P50,P99", help="milliseconds a charge takes"
    )
    group.add_argument("--slow-seconds", type=float, default=DEFAULTS.slow_seconds, help="the delay of `slow`")
    group.add_argument("--late-after", type=float, default=DEFAULTS.late_after, help="virtual seconds")
    group.add_argument(
        "--time-machine",
        type=_parsed(TimeMachine.parse),
        default=os.environ.get("BILLING_TIME_MACHINE") or None,
        metavar="'START xSPEED @REAL'",
        help="e.g. '2026-01-01T00:00:00+09:00 x86400 @2026-11-21T08:41:00Z'; default: $BILLING_TIME_MACHINE",
    )
    group.add_argument("--seed", type=int, default=DEFAULTS.seed)
    group.add_argument("--open-keys", action=argparse.BooleanOptionalAction, default=DEFAULTS.open_keys)
    group.add_argument("--serialised", action="store_true", help="equal merchant_uids wait for each other")
    group.add_argument("--failed-blocks", action="store_true", help="a failed merchant_uid is also refused")
    group.add_argument("--long-merchant-uid", choices=["truncate", "refuse", "accept"], default="truncate")
    group.add_argument("--test-channel", action="store_true", help="payments need include_sandbox=true to be read")
    group.add_argument("--customers-404", action=argparse.BooleanOptionalAction, default=DEFAULTS.customers_404)
    group.add_argument("--schedule-shape", choices=["paged", "array"], default=DEFAULTS.schedule_shape)
    group.add_argument("--rate-limit", type=int, help="calls per second before HTTP 429")


def options_from(arguments: Sequence[str] | None = None) -> SandboxOptions:
    """Read a command line."""
    return _options(parser().parse_args(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sandbox with the options of a command line; return the exit status."""
    wanted = parser().parse_args(arguments)
    if wanted.behaviours:
        sys.stdout.write(markdown_table() + "\n")
        return 0
    return run(_options(wanted))


def _options(wanted: argparse.Namespace) -> SandboxOptions:
    return SandboxOptions(**{name: value for name, value in vars(wanted).items() if name != "behaviours"})
