"""How long a model takes: one forward pass of a full window and one generated token, medians and quartiles."""

from pathlib import Path

from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, COLUMN, comma_axes, save
from minillm.results import Metrics
from minillm.stage import run_stage

TIMES = {"latency": "Pasada de una ventana", "generation_latency": "Token generado"}


def plot_latency(metrics: Path, titles: dict[str, str], pdf: Path, png: Path) -> None:
    """Draw a panel for each kind of time, a row for each model."""
    table = Metrics(metrics)
    figure = Figure(figsize=(COLUMN, 0.6 + 0.22 * len(titles)))
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (metric, label) in zip(axes, TIMES.items(), strict=True):
        for place, model in enumerate(titles):
            number = table.get(metric, model)
            if number.low is not None and number.high is not None:
                ax.plot([number.low, number.high], [place, place], color=COLOURS[place % len(COLOURS)])
            ax.plot(number.value, place, marker="o", color=COLOURS[place % len(COLOURS)])
        ax.set_title(label)
        ax.set_xlabel("ms")
        ax.set_xlim(left=0)
        ax.grid(axis="y", visible=False)
    comma_axes(axes)
    axes[0].set_yticks(range(len(titles)), titles.values())
    axes[0].set_ylim(len(titles) - 0.5, -0.5)
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_latency)
