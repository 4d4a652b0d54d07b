"""The sentiment study in one figure: which labels are confused, how accurate each classifier is, how they learnt."""

import csv
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, GREY, MARKERS, PAGE, comma_axes, save, with_comma
from minillm.files import read_json
from minillm.stage import run_stage

LABELS = {"negative": "negativo", "neutral": "neutro", "positive": "positivo"}
NAMES = {
    "majority": "Etiqueta más frecuente",
    "tfidf": "TF-IDF y regresión",
    "untrained": "Sin preentrenar",
    "pretrained": "Preentrenado",
}
LEARNT = ["pretrained", "untrained"]  # what is fine-tuned, in the order of its colours
APART = 0.22  # rows between the seeds of a model


def plot_sentiment(records: Path, confusion: Path, histories: list[Path], pdf: Path, png: Path) -> None:
    """Draw the confusion matrix of the pretrained model of the first seed, all accuracies with their intervals, and the
    losses of the first seed.

    Histories lie in `…/<start>/seed-<seed>/`, those of a start in the order of its seeds.
    """
    figure = Figure(figsize=(PAGE, 2.0))
    axes = figure.subplots(1, 3, width_ratios=[1, 1.15, 1.35])
    _draw_confusion(axes[0], _table(confusion))
    _draw_accuracies(axes[1], read_json(records))
    first = {path.parent.parent.name: path for path in reversed(histories)}
    for number, start in enumerate(LEARNT):
        rows = _table(first[start])
        for column, name, style in (("train", "entrenamiento", "--"), ("validation", "validación", "-")):
            steps, losses = ([float(row[key]) for row in rows] for key in ("step", f"{column}_loss"))
            look = {"color": COLOURS[number], "marker": MARKERS[number], "linestyle": style}
            axes[2].plot(steps, losses, label=f"{NAMES[start]}, {name}", **look)
    axes[2].set(xlabel="Paso", ylabel="Pérdida (nat/mensaje)", ylim=(0, None))
    comma_axes(axes[2:])
    figure.legend(loc="outside upper center", ncols=4)
    save(figure, pdf, png)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _draw_confusion(ax: Axes, rows: list[dict[str, str]]) -> None:
    rows = [row for row in rows if row["model"] == "sentiment-pretrained"]
    cells = {(row["true"], row["said"]): int(row["messages"]) for row in rows if row["seed"] == rows[0]["seed"]}
    shares = [
        [cells[true, said] / max(1, sum(cells[true, other] for other in LABELS)) for said in LABELS] for true in LABELS
    ]
    ax.pcolormesh(shares, cmap="Greys", vmin=0, vmax=1, edgecolors="white")
    for (true, said), number in cells.items():
        row, column = list(LABELS).index(true), list(LABELS).index(said)
        colour = "white" if shares[row][column] > 0.5 else "black"
        ax.text(column + 0.5, row + 0.5, str(number), ha="center", va="center", color=colour)
    middles = [place + 0.5 for place in range(len(LABELS))]
    ax.set_xticks(middles, list(LABELS.values()))
    ax.set_yticks(middles, list(LABELS.values()))
    ax.set(xlabel="Predicho", ylabel="Verdadero", aspect="equal")
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.tick_params(length=0)


def _draw_accuracies(ax: Axes, records: list[dict[str, Any]]) -> None:
    for place, name in enumerate(NAMES):
        own = [row for row in records if (row["metric"], row["model"]) == ("accuracy", f"sentiment-{name}")]
        index = LEARNT.index(name) if name in LEARNT else 0
        colour = COLOURS[index] if name in LEARNT else GREY
        for number, row in enumerate(own):
            height = place + APART * (number - (len(own) - 1) / 2)
            if row["low"] is not None:
                ax.plot([row["low"], row["high"]], [height, height], color=colour)
            ax.plot(row["value"], height, color=colour, marker=MARKERS[index] if name in LEARNT else "|")
    ax.set_yticks(range(len(NAMES)), list(NAMES.values()))
    ax.set(xlabel="Exactitud (prueba)", xlim=(0, 1))
    ax.xaxis.set_major_formatter(with_comma)
    ax.grid(axis="y", visible=False)


if __name__ == "__main__":
    run_stage(plot_sentiment)
