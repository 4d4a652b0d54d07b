"""The loss of the hello-world models by epoch, with and without a mask, and what the original reported."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, COLUMN, GREY, LINES, comma_axes, save
from minillm.files import read_json
from minillm.stage import run_stage


def plot_losses(histories: list[Path], study: Path, pdf: Path, png: Path) -> None:
    """Draw the training loss of each `history.csv`, in the order of the models in `study`."""
    facts = read_json(study)
    figure = Figure(figsize=(COLUMN, 2.1))
    ax = figure.subplots()
    for number, (path, title) in enumerate(zip(histories, facts["titles"].values(), strict=True)):
        history = pd.read_csv(path)
        ax.plot(history["epoch"], history["train_loss"], color=COLOURS[number], linestyle=LINES[number], label=title)
    reported = sorted((int(epoch), loss) for epoch, loss in facts["reported"]["loss"].items())
    ax.plot(*zip(*reported, strict=True), "x", color=GREY, label="original, según su informe")
    ax.set(xlabel="Época", ylabel="Pérdida (nat/carácter)", ylim=(0, None))
    comma_axes([ax])
    ax.legend()
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_losses)
