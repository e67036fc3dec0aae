"""Figures of a comparison: costs a charge, ratios within the run, and a table with a column for each worker."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rig import LATENCY

PART = "CPU ms a charge: "


def costs(cpu: Mapping[str, float], charges: int) -> dict[str, Any]:
    """Milliseconds of CPU a charge: of the workers, of all, and of each process."""
    each = {name: 1000 * seconds / max(1, charges) for name, seconds in sorted(cpu.items())}
    workers = sum(own for name, own in each.items() if name.startswith("worker"))
    return {
        "worker_cpu_ms_per_charge": round(workers, 2),
        "total_cpu_ms_per_charge": round(sum(each.values()), 2),
        "cpu_ms_per_charge": {name: round(own, 2) for name, own in each.items()},
    }


def ratios(figures: Mapping[str, Any], earlier: str | None) -> dict[str, float]:
    """What the issue asks for, each within this run."""
    ours, bare = figures["ours"], figures["bare"]["cpu_ms"]
    found = {
        "total CPU of a charge / bare call": ours["total_cpu_ms_per_charge"] / bare,
        "workers' CPU of a charge / bare call": ours["worker_cpu_ms_per_charge"] / bare,
    }
    rate = "first_90_percent_per_second" if ours["kills"] else "charges_per_second"
    for name in ("naive", earlier):
        other = figures.get(name) if name else None
        if other:
            found[f"{rate.replace('_', ' ')} / {name}"] = ours[rate] / other.get(rate, other["charges_per_second"])
            found[f"total CPU / {name}"] = ours["total_cpu_ms_per_charge"] / other["total_cpu_ms_per_charge"]
    return {name: round(ratio, 2) for name, ratio in found.items()}


def show(figures: Mapping[str, Any], *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    p50, p99 = LATENCY.split(",")
    columns = {name: _flat(figures[name]) for name in figures if name not in ("bare", "ratios")}
    table = Table(title=f"Charges (gateway latency p50 {p50} ms, p99 {p99} ms)")
    table.add_column("figure")
    for name in columns:
        table.add_column(name, justify="right")
    for row in dict.fromkeys(row for column in columns.values() for row in column):
        table.add_row(row.replace("_", " "), *(str(column.get(row, "")) for column in columns.values()))
    Console(width=max(90, Console().width if sys.stdout.isatty() else 100)).print(table)
    bare = figures["bare"]
    print(f"bare loop: {bare['calls_per_second']} calls per second, {bare['cpu_ms']} ms of CPU a call")
    for name, ratio in figures["ratios"].items():
        print(f"{name}: {ratio}")


def _flat(figures: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat |= {PART + part: number for part, number in value.items()}
        else:
            flat[name] = value
    return flat
