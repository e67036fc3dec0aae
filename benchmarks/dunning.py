"""What the default dunning policy recovers in the model, and how much that depends on each parameter.

    python benchmarks/dunning.py [--invoices 20000] [--seeds 3]

The default was chosen on the invoices of seed 1. Every figure here is of other seeds.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace

from billing_worker.issuer_model.baselines import BASELINES
from billing_worker.issuer_model.cases import cases
from billing_worker.issuer_model.figures import Figures, more_than, tried
from billing_worker.issuer_model.parameters import CAUSES, Cause, Parameters

FIRST_SEED = 1_001
PLAIN = Parameters()


def worlds() -> Iterator[tuple[str, Parameters]]:
    """The model as it is, and with one number changed at a time."""
    yield "as documented", PLAIN
    for name in ("spent_within", "inflow_every", "refused_approves", "leaves_after", "daily_limits", "salary_hour"):
        value = getattr(PLAIN, name)
        for factor in (0.5, 2.0):
            changes = {name: min(value * factor, 0.95) if value < 1 else value * factor}
            yield f"{name} = {changes[name]:g}", replace(PLAIN, **changes)
    yield "no paydays", replace(PLAIN, paydays={})
    yield "hidden_money = 0.6", replace(PLAIN, hidden_money=0.6)
    yield "holders never react", replace(PLAIN, reacts=(), reacts_dead=())
    yield "half as many dead cards", replace(PLAIN, causes={**CAUSES, Cause.DEAD: CAUSES[Cause.DEAD] / 2})


def row(name: str, figures: dict[str, Figures]) -> str:
    """One line of the table: what the default recovers more than each fixed plan, in points."""
    default = figures["default"]
    told = [name, f"{100 * default.recovered.value:.1f} %", f"{default.tries:.2f}"]
    for other in BASELINES:
        if other != "default":
            gained = more_than(default, figures[other])
            decided = default.decided.value - figures[other].decided.value
            told.append(f"{100 * gained.value:+.1f} / {100 * decided:+.1f} ({figures[other].tries:.2f})")
    return "| " + " | ".join(told) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--invoices", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    print("| world | default | tries | " + " | ".join(f"more than {each}" for each in list(BASELINES)[:-1]) + " |")
    print("|---" * 6 + "|")
    for name, parameters in worlds():
        drawn = [
            case
            for seed in range(FIRST_SEED, FIRST_SEED + asked.seeds)
            for case in cases(parameters, seed, asked.invoices // asked.seeds)
        ]
        print(row(name, {other: tried(drawn, policy) for other, policy in BASELINES.items()}), flush=True)


if __name__ == "__main__":
    main()
