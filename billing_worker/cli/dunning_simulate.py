"""`billing-worker dunning simulate`: policies against a model of cards, or against a merchant's own history."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from billing_worker.cli.output import AsJson, Output, console_for, followed, working
from billing_worker.cli.parsing import object_in
from billing_worker.cli.session import session
from billing_worker.domain.dunning.definition import read_policy, written_policy
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.issuer_model.baselines import BASELINES
from billing_worker.issuer_model.cases import cases
from billing_worker.issuer_model.figures import Figures, more_than, tried
from billing_worker.issuer_model.fit import fit
from billing_worker.issuer_model.history import explain, seen_in
from billing_worker.issuer_model.parameters import Parameters
from billing_worker.issuer_model.plot import draw_recovery, require_plot
from billing_worker.issuer_model.trial import Case
from billing_worker.usecases.reading.recovered import answers_of_cards

COLUMNS = (
    *("policy", "recovered", "more_than_first", "of_decidable", "recovered_sum", "tries"),
    *("days_median", "days_90", "lost"),
)
NUMBERS = {name: kind for name, kind in Parameters.__annotations__.items() if kind is float}


def simulate(
    *,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", help="A policy as JSON, as `dunning create --file` reads it; repeatable."),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Your own declined invoices of a year, instead of drawn ones.")
    ] = False,
    invoices: Annotated[int, typer.Option(min=100, max=200_000, help="Declined invoices to draw.")] = 5_000,
    seed: Annotated[int, typer.Option(help="The same seed draws the same invoices.")] = 1_001,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=NUMBER", help="Change a parameter, such as spent_within=14; repeatable."),
    ] = None,
    search: Annotated[
        bool,
        typer.Option("--fit", help="Search the best steps too, on other invoices than those shown. Takes minutes."),
    ] = False,
    price: Annotated[float, typer.Option(min=0.001, max=1, help="With --fit: how many recoveries a try costs.")] = 0.06,
    longest: Annotated[int, typer.Option(min=1, max=40, help="With --fit: days of waits at most.")] = 21,
    plot: Annotated[Path | None, typer.Option(help="Draw recovery by day into this .svg or .png.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of text.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try dunning policies on declined invoices that a model of Korean cards draws. Charges nothing, needs no database.

    Each policy meets the same holders: accounts that are filled on paydays, limits that reset at midnight and with the
    month, outages, dead cards, and customers who react to notices. docs/dunning-model.md names every parameter and its
    source. Three fixed plans that others ship and the default stand beside yours. The others are compared with the
    first row.

    With --history, each of your declined invoices of the last year keeps its date, its sum and every answer in your
    books; the model fills in what its card would have said at other times. Needs the database, and changes nothing.

    Columns: the share recovered, what it has more than the first row (with its 95 % interval, or "no difference"), the
    share of those declines that dates can help, the share of the money, tries for each invoice, days to recovery
    (median, and what nine of ten stay below), and customers lost.

    Example: billing-worker dunning simulate --invoices 2000
    """
    if plot is not None:
        require_plot(plot)
    parameters = changed(Parameters(), change or [])
    policies = {**BASELINES, **{path.stem: read_policy(object_in("file", path)) for path in file or []}}
    drawn = _of_history(parameters, seed) if history else list(cases(parameters, seed, invoices))
    if search:
        policies["fitted"] = fitted(parameters, seed + OTHER_SEED, price, timedelta(days=longest))
    figures = tried_all(drawn, policies)
    if plot is not None:
        draw_recovery(figures, plot)
    show(figures, as_csv=as_csv, as_json=as_json)
    if search and not (as_csv or as_json):
        out = Output(as_json=False, zone="UTC")
        out.say("\nThe fitted policy:")
        out.say(json.dumps(written_policy(policies["fitted"]), indent=2))


def _of_history(parameters: Parameters, seed: int) -> list[Case]:
    """The merchant's own declined invoices. Raises Conflict without any; tells how many the model cannot explain."""
    with session(as_json=False) as work:
        now = work.ports.clock.moment().billing
        seen = seen_in(answers_of_cards(work.ports, now - A_YEAR, now))
    found = explain(followed(seen, "invoices"), parameters, seed)
    if not found.cases:
        raise Conflict("no invoice of the last year was declined, or the model explains none")
    if found.unexplained:
        text = f"{found.unexplained} of {len(seen)} invoices are left out: no drawn holder answers as their card did"
        console_for(sys.stderr).print(text)
    return found.cases


A_YEAR = timedelta(days=365)
OTHER_SEED = 1_000_003
"""The policy is searched on invoices of this seed later, and shown on those of the seed itself."""
FITTED_ON = 2_000


def fitted(parameters: Parameters, seed: int, price: float, longest: timedelta) -> DunningPolicy:
    """The best policy for the invoices of this seed."""
    with working(f"searching steps on {FITTED_ON} other invoices"):
        return fit(list(cases(parameters, seed, FITTED_ON)), price, longest)


def tried_all(drawn: Sequence[Case], policies: Mapping[str, DunningPolicy]) -> dict[str, Figures]:
    """Each policy against the same cases, with progress."""
    return {name: tried(drawn, policies[name]) for name in followed(list(policies), "policies")}


def show(figures: Mapping[str, Figures], *, as_csv: bool, as_json: bool) -> None:
    """Print one row a policy."""
    first = next(iter(figures.values()))
    rows = [_row(name, each, first) for name, each in figures.items()]
    if as_csv:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "by_category": json.dumps(row["by_category"])} for row in rows)
        return
    out = Output(as_json, "UTC")
    shown = (
        rows
        if as_json
        else [{**row, **_in_words(row, each, first)} for row, each in zip(rows, figures.values(), strict=True)]
    )
    out.rows(shown, COLUMNS, empty="")


def changed(parameters: Parameters, changes: Sequence[str]) -> Parameters:
    """The parameters with these numbers. Raises InvalidInput."""
    for text in changes:
        name, _, value = text.partition("=")
        if name not in NUMBERS:
            raise InvalidInput("set", text, f"names no number of the model; it has {', '.join(NUMBERS)}")
        try:
            number = float(value)
        except ValueError as error:
            raise InvalidInput("set", text, "is NAME=NUMBER, such as spent_within=14") from error
        if not 0 < number < LARGEST:
            raise InvalidInput("set", text, f"is above 0 and below {LARGEST:g}")
        change: dict[str, Any] = {name: number}
        parameters = replace(parameters, **change)
    return parameters


LARGEST = 1_000.0


def _row(name: str, each: Figures, first: Figures) -> dict[str, Any]:
    gained, (low, high) = more_than(each, first), each.recovered.interval
    median, ninety = each.days
    return {
        "policy": name,
        "invoices": each.recovered.total,
        "recovered": round(each.recovered.value, 4),
        "recovered_low": round(low, 4),
        "recovered_high": round(high, 4),
        "more_than_first": round(gained.value, 4),
        "more_low": round(gained.low, 4),
        "more_high": round(gained.high, 4),
        "is_difference": gained.is_one,
        "of_decidable": round(each.decided.value, 4),
        "recovered_sum": round(each.recovered_sum.value, 4),
        "tries": round(each.tries, 3),
        "days_median": round(median, 2),
        "days_90": round(ninety, 2),
        "lost": round(1 - each.recovered.value, 4),
        "by_category": {category.value: round(share.value, 4) for category, share in each.by_category.items()},
    }


def _in_words(row: Mapping[str, Any], each: Figures, first: Figures) -> dict[str, str]:
    gained = "-" if each is first else _difference(row)
    shares = {name: f"{100 * row[name]:.1f} %" for name in ("recovered", "of_decidable", "recovered_sum", "lost")}
    return {**shares, "more_than_first": gained, "tries": f"{row['tries']:.2f}"}


def _difference(row: Mapping[str, Any]) -> str:
    if not row["is_difference"]:
        return "no difference"
    low, high = sorted((100 * row["more_low"], 100 * row["more_high"]))
    return f"{100 * row['more_than_first']:+.1f} ({low:+.1f} to {high:+.1f})"
