"""Attention weights: a map for each layer and head, with the tokens of the prompt on both axes."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from minillm.figures.style import MAP, PAGE, save, with_comma
from minillm.stage import run_stage

MOST = 4  # layers, and heads, that fit on a page


def plot_attention(attention: Path, title: str, pdf: Path, png: Path) -> None:
    """Draw a grid of layers (rows) and heads; of more than four, the first, the last and those evenly between."""
    table = pd.read_csv(attention, keep_default_na=False)
    layers, heads = (chosen(int(table[axis].max())) for axis in ("layer", "head"))
    names = table.drop_duplicates("position")["token"].tolist()
    figure = Figure(figsize=(PAGE, len(layers) * (0.3 + 0.105 * max(6, len(names))) + 0.8))
    axes = figure.subplots(len(layers), len(heads), sharex=True, sharey=True, squeeze=False)
    for row, layer in enumerate(layers):
        for column, head in enumerate(heads):
            ax, own = axes[row, column], table[(table["layer"] == layer) & (table["head"] == head)]
            weights = own["weight"].to_numpy().reshape(len(names), len(names))
            future = np.triu(np.ones_like(weights, dtype=bool), 1)
            image = ax.imshow(
                np.ma.array(weights, mask=future & (weights == 0)), aspect="auto", cmap=MAP, vmin=0, vmax=1
            )
            ax.set_title(f"capa {layer}, cabeza {head}")
            ax.tick_params(length=0)
            ax.grid(visible=False)
    for ax in axes[-1]:
        ax.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
    for ax in axes[:, 0]:
        ax.set_yticks(range(len(names)), names, parse_math=False)
    figure.supxlabel("Token atendido", fontsize=8)
    figure.supylabel("Token que atiende", fontsize=8)
    figure.suptitle(title, fontsize=8)
    figure.colorbar(image, ax=axes, label="Peso de atención", format=with_comma, aspect=40, pad=0.01)
    save(figure, pdf, png)


def chosen(number: int) -> list[int]:
    """Which of this many layers or heads, counted from 1, are drawn."""
    return sorted({round(place) for place in np.linspace(1, number, min(number, MOST))})


if __name__ == "__main__":
    run_stage(plot_attention)
