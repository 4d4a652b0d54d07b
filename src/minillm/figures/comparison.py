"""Bits per byte of every model on the test split, with their intervals, among marks that need no network."""

from pathlib import Path

from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, COLUMN, GREY, MARKERS, save, with_comma
from minillm.files import read_json
from minillm.results import Metrics
from minillm.stage import run_stage


def plot_comparison(
    metrics: Path, checks: Path, titles: dict[str, str], marks: dict[str, str], pdf: Path, png: Path
) -> None:
    """Draw one row for each model and mark; models that `checks` calls leaking are hollow and called invalid."""
    table = Metrics(metrics)
    leaking = read_json(checks)["leaking"]
    rows = [*titles, *(mark for mark in marks if table.has("bits_per_byte", mark, "test"))]
    figure = Figure(figsize=(COLUMN, 0.55 + 0.22 * len(rows)))
    ax = figure.subplots()
    for place, model in enumerate(rows):
        number = table.get("bits_per_byte", model, "test")
        is_model = model in titles
        colour = COLOURS[list(titles).index(model) % len(COLOURS)] if is_model else GREY
        marker = MARKERS[list(titles).index(model) % len(MARKERS)] if is_model else "|"
        if number.low is not None and number.high is not None:
            ax.plot([number.low, number.high], [place, place], color=colour)
        ax.plot(number.value, place, marker=marker, color=colour, mfc="white" if model in leaking else colour, mew=1)
    names = [{**titles, **marks}[row] for row in rows]
    ax.set_yticks(
        range(len(rows)), [f"{n} (inválido)" if m in leaking else n for n, m in zip(names, rows, strict=True)]
    )
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set_xlabel("Bits por byte (menos es mejor)")
    ax.grid(axis="y", visible=False)
    ax.xaxis.set_major_formatter(with_comma)
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_comparison)
