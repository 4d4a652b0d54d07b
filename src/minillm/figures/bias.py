"""Token-count bias: how much more or less often the tokens of each frequency band are predicted than they occur."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, COLUMN, MARKERS, comma_axes, save
from minillm.results import Metrics
from minillm.stage import run_stage

BANDS = {
    "band_1-10": "1–10",
    "band_11-100": "11–100",
    "band_101-1000": "101–1000",
    "band_1001-10000": "1001–10\u2009000",
    "band_10001-": "> 10\u2009000",
    "band_unknown": "[UNK]",
}


def plot_bias(metrics: Path, titles: dict[str, str], pdf: Path, png: Path) -> None:
    """Draw the logarithm of predicted over true counts by band of frequency rank, a series for each model."""
    table = Metrics(metrics)
    bands = {band: label for band, label in BANDS.items() if any(table.has(band, model, "test") for model in titles)}
    figure = Figure(figsize=(COLUMN, 1.9))
    ax = figure.subplots()
    ax.axhline(0, color="black", linewidth=0.6)
    for number, (model, title) in enumerate(titles.items()):
        places = [place for place, band in enumerate(bands) if table.has(band, model, "test")]
        values = [table.get(list(bands)[place], model, "test").value for place in places]
        shift = 0.15 * (number - (len(titles) - 1) / 2)
        look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        ax.vlines([place + shift for place in places], 0, values, color=look["color"], linewidth=1)
        ax.plot([place + shift for place in places], values, linestyle="", label=title, **look)
    ax.set_xlabel("Rango de frecuencia del token en la partición de prueba")
    ax.set_ylabel(r"$\log_2$ (predichos / reales)")
    ax.grid(axis="x", visible=False)
    figure.legend(loc="outside upper center", ncols=len(titles))
    comma_axes([ax])
    ax.set_xticks(range(len(bands)), bands.values())
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_bias)
