"""How models know where a token stands: what is added to embeddings, or what queries and keys are turned by."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minillm.figures.style import COLUMN, MAP, comma_axes, save, with_comma
from minillm.files import read_json
from minillm.stage import run_stage

KINDS = {  # what is shown and what its columns are
    "sinusoidal": ("senos y cosenos", "Dimensiones pares | impares"),
    "learned": ("tabla aprendida", "Dimensión"),
    "rotary": ("coseno del giro", "Par de dimensiones"),
}


def plot_positions(
    positions: list[Path], architectures: list[Path], titles: dict[str, str], pdf: Path, png: Path
) -> None:
    """Draw the first model of each kind of positions; both files of a model lie in `…/<model>/`."""
    tables = {path.parent.name: path for path in positions}
    kinds: dict[str, str] = {}
    for path in architectures:
        kinds.setdefault(read_json(path)["positions"], path.parent.name)
    figure = Figure(figsize=(COLUMN, 2.1))
    axes = figure.subplots(1, len(kinds), squeeze=False)[0]
    drawn = {kind: np.load(tables[model]) for kind, model in kinds.items()}
    limit = max(float(np.abs(table).max()) for table in drawn.values())
    comma_axes(axes)
    for ax, (kind, model) in zip(axes, kinds.items(), strict=True):
        table_TD = drawn[kind]
        if kind == "sinusoidal":  # sines and cosines apart: side by side they are too thin to be seen
            size = table_TD.shape[1]
            order = [*range(0, size, 2), *range(1, size, 2)]
            table_TD, places = table_TD[:, order], [0, size // 4, (size + 1) // 2, (size + 1) // 2 + size // 4]
            ax.set_xticks(places, [str(order[place]) for place in places])
        image = ax.imshow(table_TD, aspect="auto", interpolation="nearest", cmap=MAP, vmin=-limit, vmax=limit)
        shown, columns = KINDS[kind]
        ax.set_title(f"{titles[model]}:\n{shown}", parse_math=False)
        ax.set_xlabel(columns)
        ax.grid(visible=False)
    axes[0].set_ylabel("Posición")
    figure.colorbar(image, ax=axes, label="Valor", format=with_comma)
    save(figure, pdf, png)


if __name__ == "__main__":
    run_stage(plot_positions)
