"""The weights of a small model drawn as a network, once for each epoch that was kept, and all of them as an animation.

Columns are places that information goes through, from the letter that is read to the letter that comes next; edges are
the weights of the matrix between two of them. Positions, queries, keys, norms and the paths around the layers are left
out, and of each column a few units are drawn, evenly spaced: nobody can read thousands of edges. Places, widths and
colours are the same in every picture, so that what changes is the model.
"""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image
from safetensors.numpy import load_file

from minillm.figures.style import GREY, PAGE, save, with_comma
from minillm.files import read_json, replacing
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import SPECIALS

UNITS = 8  # drawn of each column
COLOUR_MAP = colormaps["RdBu_r"]
MILLISECONDS = 700  # a picture of the animation
Weights = dict[str, np.ndarray]


def draw_network(
    snapshots: Path,
    history: Path,
    tokenizer: Path,
    frames: list[Path],
    animation: Path,
    pdf: Path,
    png: Path,
) -> None:
    """Draw `frames`, one for each epoch that their names say (`epoch_10.png`), as an animation too, and the first above
    the last.

    `snapshots` holds the weights of a MiniGPT under `<step>/<tensor>`, at each measurement in `history`.
    """
    measured, tensors = pd.read_csv(history), load_file(snapshots)
    epochs = [int(path.stem.rpartition("_")[2]) for path in frames]
    steps = [int(measured["step"][measured["epoch"] >= epoch].iloc[0]) for epoch in epochs]
    matrices = [_matrices({n.partition("/")[2]: t for n, t in tensors.items() if n.startswith(f"{s}/")}) for s in steps]
    largest = max(float(np.abs(matrix).max()) for several in matrices for _, matrix in several)
    letters = _letters(read_json(tokenizer)["model"]["vocab"])
    for path, epoch, several in zip(frames, epochs, matrices, strict=True):
        figure = Figure(figsize=(PAGE, 3.2))
        _draw(figure, [figure.subplots()], [(epoch, several)], letters, largest)
        save(figure, path)
    _animate(frames, animation)
    figure = Figure(figsize=(PAGE, 4.9))
    ends = [(epochs[0], matrices[0]), (epochs[-1], matrices[-1])]
    _draw(figure, list(figure.subplots(2, 1)), ends, letters, largest)
    save(figure, pdf, png)


def _matrices(weights: Weights) -> list[tuple[str, np.ndarray]]:
    """What stands between two columns, each (to, from), with the name of the column that it leads to."""
    blocks = sorted({int(name.split(".")[1]) for name in weights if name.startswith("blocks.")})
    found = [("embedding", weights["embedding.weight"].T)]
    for block in blocks:
        place = f"blocks.{block}"
        fused = weights[f"{place}.attention.query_key_value.weight"]
        number = f" {block + 1}" if len(blocks) > 1 else ""
        found += [
            (f"valores{number}", fused[2 * len(fused) // 3 :]),
            (f"atención{number}", weights[f"{place}.attention.output.weight"]),
            (f"interna{number}", weights[f"{place}.feed_forward.expand.weight"]),
            (f"bloque{number}", weights[f"{place}.feed_forward.contract.weight"]),
        ]
    return [*found, ("salida", weights["head.weight"])]


def _letters(vocabulary: dict[str, int]) -> dict[int, str]:
    """The most frequent letters, which are drawn in the first and the last column, by their number."""
    by_id = sorted((id_, text) for text, id_ in vocabulary.items() if text not in SPECIALS)
    return {id_: {" ": "espacio"}.get(text, text) for id_, text in by_id[:UNITS]}


def _chosen(size: int) -> np.ndarray:
    """The units of a column that are drawn."""
    return np.unique(np.linspace(0, size - 1, UNITS).round().astype(int))


def _draw(
    figure: Figure,
    axes: list[Axes],
    pictures: list[tuple[int, list[tuple[str, np.ndarray]]]],
    letters: dict[int, str],
    largest: float,
) -> None:
    norm = Normalize(-largest, largest)
    for ax, (epoch, several) in zip(axes, pictures, strict=True):
        graph, places = nx.DiGraph(), {}
        sizes = [several[0][1].shape[1], *(matrix.shape[0] for _, matrix in several)]
        chosen = [np.array(list(letters)), *map(_chosen, sizes[1:-1]), np.array(list(letters))]
        for column, units in enumerate(chosen):
            for row, unit in enumerate(units.tolist()):
                graph.add_node((column, unit))
                places[column, unit] = column, -row * (UNITS - 1) / max(1, len(units) - 1)
        for column, (_, matrix) in enumerate(several):
            for origin in chosen[column].tolist():
                for goal in chosen[column + 1].tolist():
                    graph.add_edge((column, origin), (column + 1, goal), weight=float(matrix[goal, origin]))
        # Strong weights last, on top of the weak ones.
        edges = sorted(graph.edges(data="weight"), key=lambda edge: abs(edge[2]))
        nx.draw_networkx_edges(
            graph,
            places,
            ax=ax,
            edgelist=[edge[:2] for edge in edges],
            edge_color=[COLOUR_MAP(norm(weight)) for *_, weight in edges],
            width=[0.15 + 2 * abs(weight) / largest for *_, weight in edges],
            arrows=False,
            node_size=0,
        )
        nx.draw_networkx_nodes(graph, places, ax=ax, node_size=9, node_color=GREY, linewidths=0)
        ends = {(0, unit): "right" for unit in letters} | {(len(sizes) - 1, unit): "left" for unit in letters}
        for node, side in ends.items():
            x, y = places[node]
            ax.text(x + (0.1 if side == "left" else -0.1), y, letters[node[1]], ha=side, va="center", fontsize=7)
        for column, name in enumerate(["entrada", *(name for name, _ in several)]):
            ax.text(column, 0.7, f"{name}\n({sizes[column]})", ha="center", va="bottom", fontsize=6.5)
        ax.set_title(f"Época {epoch}", pad=0)
        ax.set(xlim=(-0.6, len(sizes) - 0.4), ylim=(-UNITS + 0.5, 2.1))
        ax.axis("off")
    bar = figure.colorbar(ScalarMappable(norm, COLOUR_MAP), ax=axes, fraction=0.02, pad=0.01, format=with_comma)
    bar.set_label("Peso")


def _animate(frames: list[Path], animation: Path) -> None:
    """All frames with one palette, so that a colour means the same in each."""
    pictures: list[Any] = [Image.open(path).convert("RGB") for path in frames]
    pictures = [
        picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS) for picture in pictures
    ]
    palette = pictures[-1].quantize(128)
    first, *rest = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    with replacing(animation) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=rest, duration=MILLISECONDS, loop=0)


if __name__ == "__main__":
    run_stage(draw_network)
