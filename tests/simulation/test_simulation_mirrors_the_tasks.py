"""What the simulation runs is what the tasks run."""

import ast
from pathlib import Path

from billing_worker.domain.timing import Timing
from billing_worker.simulation.broker import RING_EXPIRES, UNIT_EXPIRES
from billing_worker.simulation.jobs import SCANS, UNITS

ROOT = Path(__file__).resolve().parents[2]


def tasks() -> set[str]:
    tree = ast.parse((ROOT / "tasks" / "jobs.py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list}


def test_every_task_has_its_job() -> None:
    # What looks at both books every few minutes, for ever: the simulation looks for itself.
    assert {*SCANS, *UNITS} == tasks() - {"audit_due", "audit", "compare_due", "compare", "tidy_due", "tidy"}
    assert {unit for _, unit in SCANS.values()} <= set(UNITS)


def test_every_job_calls_the_use_cases_that_its_task_calls() -> None:
    def called(path: str, names: set[str]) -> dict[str, set[str]]:
        tree = ast.parse((ROOT / path).read_text())
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        return {
            function.name.lstrip("_"): {
                node.func.attr
                for node in ast.walk(function)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            }
            & {"renew", "collect", "reconcile", "apply", "confirm", "deliver", "waiting"}
            for function in functions
            if function.name.lstrip("_") in names
        }

    assert called("billing_worker/simulation/jobs.py", set(UNITS)) == called("tasks/jobs.py", set(UNITS))


def test_messages_expire_as_the_real_ones_do() -> None:
    schedule = (ROOT / "tasks" / "schedule.py").read_text()
    assert f"HEARD_WITHIN = {RING_EXPIRES.seconds}" in schedule
    assert UNIT_EXPIRES.seconds == 2 * Timing().claim
