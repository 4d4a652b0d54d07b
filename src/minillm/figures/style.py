"""The look of every figure: widths of an IEEE column, one serif font, few colours that survive print in grey.

Colours are the high-contrast set of Paul Tol (https://personal.sron.nl/~pault/); each model also has a line style and a
marker of its own. Numbers have a decimal comma. Saving is reproducible: no dates in the files, TrueType fonts.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from minillm.files import replacing

COLUMN = 252 / 72.27  # inches: \columnwidth of IEEEtran
PAGE = 516 / 72.27  # inches: \textwidth
COLOURS = ["#004488", "#BB5566", "#DDAA33", "#228833", "#66CCEE", "#AA3377"]
LINES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1))]
MARKERS = ["o", "s", "^", "D", "v", "P"]
GREY = "#666666"
MAP = "cividis"  # of values: from dark to light, in grey too

mpl.use("pdf")
mpl.rcParams.update(
    {
        "font.family": "serif",
        "font.serif": ["STIXGeneral"],  # comes with matplotlib: the same on every machine
        "mathtext.fontset": "stix",
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "lines.linewidth": 1.0,
        "lines.markersize": 3.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.linewidth": 0.3,
        "grid.color": "#DDDDDD",
        "figure.constrained_layout.use": True,
        "pdf.fonttype": 42,
        "savefig.bbox": None,
        "svg.hashsalt": "minillm",
    }
)


def with_comma(value: float, _position: float = 0) -> str:
    """A tick label as Spanish writes it: 1,5 and 10 000."""
    text = f"{value:,.10g}" if abs(value) >= 10_000 else f"{value:.10g}"
    return text.replace(",", "\u2009").replace(".", ",").replace("-", "\u2212")


def comma_axes(axes: Iterable[Axes]) -> None:
    """Decimal commas on the linear axes."""
    for ax in axes:
        for axis in (ax.xaxis, ax.yaxis):
            if axis.get_scale() == "linear":
                axis.set_major_formatter(FuncFormatter(with_comma))


def log_axis(ax: Axes, name: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, labelled at 1, 2 or 5 times powers of ten, and wide enough to hold such a label."""
    ax.set(**{f"{name}scale": "log"})
    axis = ax.xaxis if name == "x" else ax.yaxis
    low, high = axis.get_view_interval()
    margin = 1.3 if high / low > 2 else 1.6
    ax.set(**{f"{name}lim": (low / margin, high * margin)})
    axis.set_major_locator(LogLocator(subs=(1,) if high / low > 200 else (1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(_power_of_ten))
    axis.set_minor_locator(NullLocator())


def _power_of_ten(value: float, _position: float = 0) -> str:
    exponent = math.floor(math.log10(value) + 1e-9)
    if 0 <= exponent < 4:
        return with_comma(round(value))
    return rf"${round(value / 10**exponent)}\cdot10^{{{exponent}}}$"


def save(figure: Figure, *paths: Path) -> None:
    """Write a figure for the article (.pdf) or for the screen (.png), both with the resolution that IEEE asks for."""
    undated = {"pdf": {"CreationDate": None, "Producer": None, "Creator": None}, "png": {"Software": None}}
    for path in paths:
        kind = path.suffix[1:]
        with replacing(path) as temporary:
            figure.savefig(temporary, format=kind, dpi=300, metadata=undated[kind])
