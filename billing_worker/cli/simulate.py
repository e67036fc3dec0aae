"""`billing-worker simulate`."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from billing_worker.cli.output import AsJson, Output, View, console_for
from billing_worker.runtime.errors import RuntimeProblem

if TYPE_CHECKING:
    from billing_worker.simulation.run import Verdict

NO_GREENLET = "simulate needs the library greenlet; in a checkout of the sources: pip install -e '.[simulation]'"
NO_SIMULATION = "the wheel has no simulation; in a checkout of the sources: pip install -e '.[simulation]'"
MISSING = {"greenlet": NO_GREENLET, "billing_worker.simulation": NO_SIMULATION}
"""The way out for each module that production does not have."""

CORES = os.cpu_count() or 1
VIOLATED = 1


def simulate(
    *,
    seed: Annotated[int, typer.Option(min=0, help="The first seed. A seed determines the whole run.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, max=1_000_000, help="The number of seeds, counted from the first.")] = 1,
    subscriptions: Annotated[int, typer.Option(min=1, max=100_000, help="Customers in each world.")] = 20,
    years: Annotated[int, typer.Option(min=1, max=100, help="Virtual years in each world.")] = 5,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes; by default one per core.")] = CORES,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show the draws of each seed, and the events before a violation.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run years of billing on a virtual clock with seeded faults, and check the promises at every step.

    The rules and use cases are the real ones. Around them are models: a database with the constraints of the schema, a
    gateway with its own ledger (the judge), a broker that loses and doubles messages, and processes (workers, two
    beats, two receivers) that may die, stall or lose a reply at every step. Each seed draws its own faults, fleet and
    customers. Safety is checked at every commit and every request. Then all faults stop, hours pass, and both books
    must agree, with nothing lost or open. The simulation touches nothing outside and reads no setting.

    The same seed gives the same trace. A violation ends the run with status 1 and the command that replays it.

    Example: billing-worker simulate --seed 1 --seeds 20 --subscriptions 20 --years 5
    """
    try:
        from billing_worker.simulation.many import run_many  # noqa: PLC0415 - production has neither it nor its library
    except ModuleNotFoundError as error:
        if error.name not in MISSING:
            raise
        raise RuntimeProblem(MISSING[error.name]) from error
    out = Output(as_json, "UTC")
    began = time.perf_counter()
    verdicts: list[Verdict] = []
    for verdict in run_many(range(seed, seed + seeds), subscriptions, years, workers):
        verdicts.append(verdict)
        _follow(len(verdicts), seeds)
        if verbose:
            out.say(f"seed {verdict.options.seed}: " + _drawn(verdict))
    verdicts.sort(key=lambda each: each.options.seed)
    summary = _summary(verdicts, time.perf_counter() - began, min(workers, seeds))
    broken = [verdict for verdict in verdicts if verdict.breach is not None]
    if as_json:
        details = [_detail(verdict, verbose=verbose) for verdict in verdicts]
        out.json(summary | {"violations": [_violation(verdict) for verdict in broken], "runs": details})
    else:
        _report(out, summary, broken, verbose=verbose)
    if broken:
        raise typer.Exit(VIOLATED)


def _summary(verdicts: Sequence["Verdict"], seconds: float, workers: int) -> dict[str, object]:
    lived = sum(each.options.subscriptions * each.options.years for each in verdicts)
    faults = sum((each.fired for each in verdicts), Counter[str]())
    return {
        "subscription_years": lived,
        "seeds": len(verdicts),
        "seconds": round(seconds, 1),
        "subscription_years_a_second_and_process": round(lived / seconds / workers),
        "charges": sum(each.requests for each in verdicts),
        "periods": sum(each.periods for each in verdicts),
        "commits": sum(each.commits for each in verdicts),
        "steps": sum(each.steps for each in verdicts),
        "process_deaths": sum(each.deaths for each in verdicts),
        "faults": sum(faults.values()),
        "fired": dict(sorted(faults.items())),
    }


def _report(out: Output, summary: dict[str, object], broken: Sequence["Verdict"], *, verbose: bool) -> None:
    fired = summary["fired"]
    out.record({name: value for name, value in summary.items() if name != "fired"})
    rows: list[View] = (
        [{"fault": kind, "times": times} for kind, times in fired.items()] if isinstance(fired, dict) else []
    )
    out.section("Faults that struck", rows, ("fault", "times"))
    out.say("")
    for verdict in broken:
        if verbose:
            out.say("\n".join(verdict.story), "dim")
        told = _violation(verdict)
        out.say(f"violation: {told['invariant']} at {told['at']} (seed {told['seed']}): {told['text']}", "red")
        out.say(f"replay: {told['replay']}")
    if not broken:
        out.say("No violation.", "green")


def _violation(verdict: "Verdict") -> dict[str, object]:
    breach, options = verdict.breach, verdict.options
    assert breach is not None  # noqa: S101 - only asked for where there is one
    size = f"--subscriptions {options.subscriptions} --years {options.years}"
    return {
        "seed": options.seed,
        "invariant": breach.invariant,
        "at": f"{breach.when:%Y-%m-%d %H:%M:%S} UTC",
        "text": breach.text,
        "replay": f"billing-worker simulate --seed {options.seed} {size}",
    }


def _detail(verdict: "Verdict", *, verbose: bool) -> dict[str, object]:
    detail: dict[str, object] = {
        "seed": verdict.options.seed,
        "trace": verdict.trace,
        "charges": verdict.requests,
        "faults": sum(verdict.fired.values()),
    }
    return detail | {"options": verdict.options.by_name(), "story": verdict.story} if verbose else detail


def _drawn(verdict: "Verdict") -> str:
    drawn = ", ".join(f"{name} {value}" for name, value in verdict.options.by_name().items() if name != "seed")
    return f"trace {verdict.trace}; {drawn}"


def _follow(done: int, seeds: int) -> None:
    """Show a line of progress on standard error if it is a terminal."""
    if sys.stderr.isatty():
        end = "\n" if done == seeds else "\r"
        console_for(sys.stderr).print(f"{done} of {seeds} seeds", end=end)
