"""The leak made visible: the perplexity of the same text scored at once and token by token."""

from pathlib import Path

from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, COLUMN, log_axis, save
from minillm.results import Metrics
from minillm.stage import run_stage


def plot_leak(metrics: Path, titles: dict[str, str], pdf: Path, png: Path) -> None:
    """Draw both perplexities of each model; for a causal model the two marks are one above the other."""
    table = Metrics(metrics)
    figure = Figure(figsize=(COLUMN, 0.75 + 0.25 * len(titles)))
    ax = figure.subplots()
    for place, model in enumerate(titles):
        parallel = table.get("parallel_perplexity", model, "test").value
        incremental = table.get("incremental_perplexity", model, "test").value
        ax.plot([parallel, incremental], [place, place], color="#BBBBBB", zorder=1)
        ax.plot(parallel, place, marker="o", markersize=6, mfc="white", color=COLOURS[0], linestyle="")
        ax.plot(incremental, place, marker="x", markersize=4, color=COLOURS[1], linestyle="")
    ax.plot([], [], marker="o", markersize=6, mfc="white", color=COLOURS[0], linestyle="", label="en paralelo")
    ax.plot([], [], marker="x", markersize=4, color=COLOURS[1], linestyle="", label="token a token")
    log_axis(ax, "x")
    ax.set_yticks(range(len(titles)), titles.values())
    ax.set_ylim(len(titles) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("Perplejidad por token del mismo texto")
    figure.legend(loc="outside upper right", ncols=2)
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_leak)
