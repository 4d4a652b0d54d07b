"""BLEU-1 to BLEU-4 of every model, greedy and sampled, beside two scores of human text."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, COLUMN, GREY, LINES, MARKERS, comma_axes, save
from minillm.results import Metrics
from minillm.stage import run_stage

ORDERS = [1, 2, 3, 4]


def plot_bleu(metrics: Path, titles: dict[str, str], pdf: Path, png: Path) -> None:
    """Draw a line for each model, greedy, and hollow marks for its samples.

    The human scores are those of the first model (the texts are the same).
    """
    table = Metrics(metrics)
    figure = Figure(figsize=(COLUMN, 1.8))
    ax = figure.subplots()
    first = next(iter(titles))
    for name, label, style in (
        ("bleu_ceiling", "humano, otro pasaje", "--"),
        ("bleu_floor", "humano, otro artículo", ":"),
    ):
        values = [table.get(f"{name}{order}", first, "test").value for order in ORDERS]
        ax.plot(ORDERS, values, color=GREY, linestyle=style, label=label)
    for number, (model, title) in enumerate(titles.items()):
        index = number % len(COLOURS)
        look: dict[str, Any] = {"color": COLOURS[index], "marker": MARKERS[index]}
        greedy, sampled = (
            [table.get(f"bleu{way}{order}", model, "test").value for order in ORDERS] for way in ("", "_sampled")
        )
        ax.plot(ORDERS, greedy, linestyle=LINES[index], label=title, **look)
        ax.plot(ORDERS, sampled, linestyle="", mfc="white", **look)
    ax.plot([], [], color="black", linestyle="", marker="o", mfc="white", label="muestra")
    comma_axes([ax])
    ax.set_xticks(ORDERS, [f"BLEU-{order}" for order in ORDERS])
    ax.set_ylim(bottom=0)
    figure.legend(loc="outside right center")
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_bleu)
