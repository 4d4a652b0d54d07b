"""How much of what models write is new: the share of n-grams that are nowhere in the train split, beside human text."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, COLUMN, GREY, LINES, MARKERS, comma_axes, save
from minillm.results import Metrics
from minillm.stage import run_stage

ORDERS = [4, 8, 13]


def plot_novelty(metrics: Path, titles: dict[str, str], pdf: Path, png: Path) -> None:
    """Draw a line for each model, greedy, and hollow marks for its samples.

    Human text is that of the first model (the texts are the same). Texts may be too short for the longer n-grams.
    """
    table = Metrics(metrics)
    figure = Figure(figsize=(COLUMN, 1.8))
    ax = figure.subplots()

    def draw(metric: str, model: str, **look: Any) -> None:
        places = [place for place, order in enumerate(ORDERS) if table.has(f"{metric}{order}", model, "test")]
        ax.plot(places, [table.get(f"{metric}{ORDERS[place]}", model, "test").value for place in places], **look)

    draw("novelty_human", next(iter(titles)), color=GREY, linestyle="--", label="humano")
    for number, (model, title) in enumerate(titles.items()):
        index = number % len(COLOURS)
        look = {"color": COLOURS[index], "marker": MARKERS[index]}
        draw("novelty", model, linestyle=LINES[index], label=title, **look)
        draw("novelty_sampled", model, linestyle="", mfc="white", **look)
    ax.plot([], [], color="black", linestyle="", marker="o", mfc="white", label="muestra")
    comma_axes([ax])
    ax.set_xticks(range(len(ORDERS)), [f"$n$ = {order}" for order in ORDERS])
    ax.set_ylabel("$n$-gramas nuevos")
    ax.set_ylim(0, 1.03)
    figure.legend(loc="outside right center")
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_novelty)
