"""A picture of what policies recover over the days after a decline: SVG or PNG. It needs the extra `plots`."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from billing_worker.domain.errors import InvalidInput
from billing_worker.issuer_model.figures import Figures

DAYS = 45
SUFFIXES = (".svg", ".png")
STYLE: Any = {"svg.hashsalt": "billing-worker", "svg.fonttype": "none", "font.size": 9}


def require_plot(path: Path) -> None:
    """Raises InvalidInput for a file that cannot be drawn here, before any work is done."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput("plot", str(path), "ends with .svg or .png")
    if not path.parent.is_dir():
        raise InvalidInput("plot", str(path), f"the folder {path.parent} does not exist")
    if find_spec("matplotlib") is None:
        raise InvalidInput("plot", str(path), "needs matplotlib: pip install 'billing-worker[plots]'")


def draw_shares(shares: Mapping[str, tuple[float, float, float]], path: Path) -> None:
    """Draw shares with their intervals, one bar each: the share, and where it may lie."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.2 + 0.35 * max(len(shares), 1)), layout="constrained")
        axes = figure.subplots()
        names = list(shares)
        values = [100 * shares[name][0] for name in names]
        below = [100 * (shares[name][0] - shares[name][1]) for name in names]
        above = [100 * (shares[name][2] - shares[name][0]) for name in names]
        axes.barh(names, values, xerr=(below, above), capsize=3)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("recovered, % of declined invoices")
        figure.savefig(path, metadata=_metadata(path), dpi=144)


def _metadata(path: Path) -> dict[str, None] | None:
    """No date in a drawing: the same figures give the same file."""
    return {"Date": None} if path.suffix.lower() == ".svg" else None


def draw_recovery(figures: Mapping[str, Figures], path: Path) -> None:
    """Draw the share recovered by day, one line a policy. The same figures give the same bytes of SVG."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.subplots()
        days = range(DAYS + 1)
        for name, each in figures.items():
            shares = [100 * each.recovered_within(day) for day in days]
            label = f"{name}: {100 * each.recovered.value:.1f} %, {each.tries:.2f} tries"
            axes.step(days, shares, where="post", label=label, linewidth=1.6)
        axes.set_xlabel("days after the first decline")
        axes.set_ylabel("recovered, % of declined invoices")
        axes.set_xlim(0, DAYS)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", frameon=False)
        figure.savefig(path, metadata=_metadata(path), dpi=144)
