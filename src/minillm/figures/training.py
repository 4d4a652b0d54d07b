"""Learning curves: loss, perplexity, accuracy and learning rate by step, of every model and seed."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from minillm.figures.style import COLOURS, LINES, PAGE, comma_axes, log_axis, save
from minillm.stage import run_stage

PANELS = [
    ("loss", "Pérdida (nat/token)"),
    ("perplexity", "Perplejidad (validación)"),
    ("accuracy", "Exactitud"),
    ("learning_rate", "Tasa de aprendizaje"),
]


def plot_training(histories: list[Path], titles: dict[str, str], pdf: Path, png: Path) -> None:
    """Draw `…/<model>/seed-<seed>/history.csv` of each model; `titles` gives the models' names and order.

    A pretrained model has none and is left out.
    """
    figure = Figure(figsize=(PAGE, 1.75))
    axes = figure.subplots(1, 4)
    for number, model in enumerate(titles):
        look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)]}
        own = [path for path in histories if path.parent.parent.name == model]
        if not own:
            continue
        for path in own:
            history = pd.read_csv(path)
            for ax, (quantity, _) in zip(axes, PANELS, strict=True):
                if quantity == "learning_rate":
                    ax.plot(history["step"], history[quantity], linestyle=LINES[number % len(LINES)], **look)
                    continue
                ax.plot(history["step"], history[f"validation_{quantity}"], linestyle="-", **look)
                if f"train_{quantity}" in history:
                    ax.plot(history["step"], history[f"train_{quantity}"], linestyle=":", **look)
        axes[0].plot([], [], label=titles[model], **look)
    for ax, (_, label) in zip(axes, PANELS, strict=True):
        ax.set_title(label)
        ax.set_xlabel("Paso")
    comma_axes(axes)
    log_axis(axes[1], "y")
    log_axis(axes[3], "y")
    axes[0].plot([], [], color="black", linestyle="-", label="validación")
    axes[0].plot([], [], color="black", linestyle=":", label="entrenamiento")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_training)
