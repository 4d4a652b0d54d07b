"""The embeddings of frequent words in two dimensions, with as many names as fit without touching each other."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from minillm.figures.style import MAP, PAGE, comma_axes, save, with_comma
from minillm.stage import run_stage

PANELS = {"pca": "análisis de componentes principales", "tsne": "t-SNE"}
NAMES = 60  # in each panel, at most
# Where the middle of a name may stand beside its point, best first: in halves of its width and height.
PLACES = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)]
DISTANCE = 3  # points between both


def plot_embeddings(embeddings: Path, title: str, pdf: Path, png: Path) -> None:
    """Draw both projections, coloured by how often the token occurs in the train split."""
    table = pd.read_csv(embeddings, keep_default_na=False)
    figure = Figure(figsize=(PAGE, 3.3))
    axes = figure.subplots(1, 2)
    for ax, (columns, label) in zip(axes, PANELS.items(), strict=True):
        points = ax.scatter(
            table[f"{columns}_1"], table[f"{columns}_2"], c=table["count"], cmap=MAP, norm=LogNorm(), s=5, linewidths=0
        )
        ax.set_title(f"{title}: {label}")
        ax.grid(visible=False)
        ax.margins(0.06)
    axes[0].set_xlabel("Primera componente")
    axes[0].set_ylabel("Segunda componente")
    axes[1].set_xticks([])
    axes[1].set_yticks([])
    comma_axes(axes[:1])
    figure.colorbar(points, ax=axes, label="Apariciones en el entrenamiento", aspect=30, pad=0.01, format=with_comma)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # names are placed in the finished layout
    for ax, columns in zip(axes, PANELS, strict=True):
        place_names(ax, table["token"].tolist(), table[[f"{columns}_1", f"{columns}_2"]].to_numpy())
    save(figure, pdf, png)


def place_names(ax: Axes, names: list[str], points_N2: npt.NDArray[np.float64]) -> list[Annotation]:
    """Write names beside their points, the first ones first, where they stay inside and cover no name or point."""
    inside, dots_N2 = ax.get_window_extent(), ax.transData.transform(points_N2)
    pixels = ax.figure.dpi / 72
    written: list[Annotation] = []
    taken: list[Bbox] = []
    for number, (name, point) in enumerate(zip(names, points_N2.tolist(), strict=True)):
        others_N2 = np.delete(dots_N2, number, axis=0)
        text = ax.annotate(
            name, point, (0, 0), textcoords="offset points", ha="center", va="center", fontsize=6, parse_math=False
        )
        extent = text.get_window_extent()
        for place in np.array(PLACES):
            offset = place * (np.divide(extent.size, 2) + DISTANCE * pixels / np.linalg.norm(place))
            box = extent.translated(*offset)
            if (
                inside.contains(*box.min)
                and inside.contains(*box.max)
                and not (box.count_contains(others_N2) or box.count_overlaps(taken))
            ):
                text.set_position(offset / pixels)
                written.append(text)
                taken.append(box)
                break
        else:
            text.remove()
        if len(written) == NAMES:
            break
    return written


if __name__ == "__main__":
    run_stage(plot_embeddings)
