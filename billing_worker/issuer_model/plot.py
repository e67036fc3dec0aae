"""A picture of what policies recover over the days after a decline: SVG or PNG. It needs the extra `plots`."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from billing_worker.domain.errors import InvalidInput
from billing_worker.issuer_model.figures import Figures

DAYS = 45
SUFFIXES = (".svg", ".png")


def require_plot(path: Path) -> None:
    """Raises InvalidInput for a file that cannot be drawn here, before any work is done."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput("plot", str(path), "ends with .svg or .png")
    if not path.parent.is_dir():
        raise InvalidInput("plot", str(path), f"the folder {path.parent} does not exist")
    if find_spec("matplotlib") is None:
        raise InvalidInput("plot", str(path), "needs matplotlib: pip install 'billing-worker[plots]'")


def draw_recovery(figures: Mapping[str, Figures], path: Path) -> None:
    """Draw the share recovered by day, one line a policy. The same figures give the same bytes of SVG."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    with mpl.rc_context({"svg.hashsalt": "billing-worker", "svg.fonttype": "none", "font.size": 9}):
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
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None, dpi=144)
