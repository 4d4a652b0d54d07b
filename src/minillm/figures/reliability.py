"""Reliability diagram: how often a model is right where it is so sure, before and after a temperature."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, COLUMN, GREY, LINES, MARKERS, comma_axes, save
from minillm.stage import run_stage

PANELS = {"confidence": "Tal cual", "tempered": "Con temperatura"}


def plot_reliability(reliability: list[Path], titles: dict[str, str], pdf: Path, png: Path) -> None:
    """Draw accuracy against confidence in bins of equally many positions, a line for each model.

    The files lie in `…/<model>/seed-<seed>/`; of several seeds of a model the first is drawn.
    """
    rows = {}
    for path in reliability:
        if path.parent.parent.name not in rows:
            with path.open(encoding="utf-8", newline="") as stream:
                rows[path.parent.parent.name] = list(csv.DictReader(stream))
    figure = Figure(figsize=(COLUMN, 1.9))
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for ax, (column, title) in zip(axes, PANELS.items(), strict=True):
        ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.6)
        for number, (model, name) in enumerate(titles.items()):
            own = [row for row in rows[model] if row["confidences"] == column]
            sure, right = ([float(row[key]) for row in own] for key in ("confidence", "accuracy"))
            index = number % len(COLOURS)
            look = {"color": COLOURS[index], "linestyle": LINES[index], "marker": MARKERS[index], "markersize": 2.5}
            ax.plot(sure, right, label=name if ax is axes[0] else None, **look)
        ax.set_title(title)
        ax.set_xlabel("Confianza")
        ax.set_aspect("equal")
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
    axes[0].set_ylabel("Exactitud")
    comma_axes(axes)
    figure.legend(loc="outside upper center", ncols=3)
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_reliability)
