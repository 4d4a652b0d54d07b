"""What a model is made of: its modules as blocks, with the shapes and numbers of parameters that they really have."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from minillm.figures.style import COLUMN, GREY, save, with_comma
from minillm.files import read_json
from minillm.stage import run_stage

# Lengths in points; the stream of the residuals runs up the middle of the boxes.
LEFT, WIDTH, LINE, GAP, FRAME = 26, 88, 9.5, 9, 7
MIDDLE, BESIDE = LEFT + WIDTH / 2, LEFT + WIDTH + 8
SUM = 4  # radius
LIGHT, DARK = "#F2F2F2", "#DBDBDB"
ACTIVATIONS = {"gelu": "Red interior, GELU", "relu": "Red interior, ReLU", "silu": "Red interior, SwiGLU"}


@dataclass(frozen=True)
class Step:
    """A step from tokens to logits."""

    label: str
    """In the box; empty for a sum."""
    beside: str = ""
    fill: str = "white"
    branches: bool = False
    """Whether a residual connection starts below it."""
    joins: bool = False
    """Whether that connection ends in it."""

    @property
    def height(self) -> float:
        """In points."""
        return LINE * (self.label.count("\n") + 1) + 5 if self.label else 2 * SUM


def plot_architecture(architecture: Path, title: str, pdf: Path, png: Path) -> None:
    """Draw the steps from the bottom up; those of a layer once, since all layers are alike."""
    made_of = read_json(architecture)
    groups = steps(made_of)
    width = COLUMN * 72
    height = sum(step.height + GAP for group in groups for step in group) + 2 * FRAME + GAP + 38
    figure = Figure(figsize=(COLUMN, height / 72))
    figure.set_layout_engine("none")
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    ax.set_axis_off()
    ax.text(MIDDLE, 3, "tokens", ha="center", va="bottom", fontsize=7)
    top, edges = 12.0, []  # of what has been drawn, and of the frame
    for number, group in enumerate(groups):
        for place, step in enumerate(group):
            y = top + GAP + (FRAME if number and not place else 0)
            _arrow(ax, (MIDDLE, top), (MIDDLE, y))
            if number and not place:
                edges.append(top + FRAME - 1)
            if step.branches:
                branch = y - GAP / 2
            _draw(ax, step, y)
            if step.joins:
                ax.plot([MIDDLE, LEFT - 10, LEFT - 10], [branch, branch, y + SUM], color="black", linewidth=0.7)
                _arrow(ax, (LEFT - 10, y + SUM), (MIDDLE - SUM, y + SUM))
            top = y + step.height
    _arrow(ax, (MIDDLE, top), (MIDDLE, top + GAP))
    ax.text(MIDDLE, top + GAP + 1, "logits", ha="center", va="bottom", fontsize=7)
    frame = Rectangle((4, edges[0]), width - 8, edges[1] - edges[0], fill=False, linestyle="--", linewidth=0.6, ec=GREY)
    ax.add_patch(frame)
    ax.text(width - 8, edges[1] - 3, f"× {made_of['layers']}", ha="right", va="top", fontsize=8)
    total = f"{title}: {with_comma(made_of['parameters'])} parámetros"
    ax.text(width / 2, height - 3, total, ha="center", va="top", fontsize=8, parse_math=False)
    save(figure, pdf, png)


def steps(made_of: Mapping[str, Any]) -> tuple[list[Step], list[Step], list[Step]]:
    """The steps before the layers, in each layer and after them."""
    parts = {part["name"]: part for part in made_of["parts"]}

    def box(label: str, name: str, fill: str = "white", branches: bool = False) -> Step:
        return Step(label, describe(parts[name]), fill, branches)

    before = [box("Embedding", "embedding")]
    if made_of["positions"] == "sinusoidal":
        before.append(Step("", "senos y cosenos, sin parámetros"))
    elif made_of["positions"] == "learned":
        before.append(Step("", describe(parts["positions_TD"]).replace("\n", ", ")))
    turned = ", RoPE" if made_of["positions"] == "rotary" else ""
    layer = []
    for name, label in (
        ("attention", f"Atención causal\n{made_of['heads']} cabezas{turned}"),
        ("feed_forward", ACTIVATIONS[made_of["activation"]]),
    ):
        first = made_of["norm"] == "before"
        norm = box(parts[f"blocks.0.{name}_norm"]["kind"], f"blocks.0.{name}_norm", LIGHT, branches=first)
        inner = box(label, f"blocks.0.{name}", DARK, branches=not first)
        total = Step("", joins=True)
        layer += [norm, inner, total] if first else [inner, total, norm]
    after = [box(parts["norm"]["kind"], "norm", LIGHT)] if "norm" in parts else []
    tied = Step("Capa de salida", "la matriz del embedding,\nsin parámetros propios")
    return before, layer, [*after, tied if made_of["tied"] else box("Capa de salida", "head")]


def describe(part: Mapping[str, Any]) -> str:
    """Shapes and number of the parameters of a part: «4 · (128 × 128) + 2 · 32» and «65 600 parámetros»."""
    shapes = []
    for shape, times in Counter(tuple(tensor["shape"]) for tensor in part["shapes"]).items():
        text = " × ".join(map(with_comma, shape))
        shapes.append(text if times == 1 else f"{times} · ({text})" if len(shape) > 1 else f"{times} · {text}")
    return f"{' + '.join(shapes)}\n{with_comma(part['parameters'])} parámetros"


def _draw(ax: Axes, step: Step, y: float) -> None:
    """A box or a sum whose lower edge is at this height, and what stands beside it."""
    middle = y + step.height / 2
    if step.label:
        box = FancyBboxPatch(
            (LEFT, y), WIDTH, step.height, boxstyle="round,pad=0,rounding_size=2", facecolor=step.fill, linewidth=0.7
        )
        ax.add_patch(box)
        ax.text(MIDDLE, middle - 0.5, step.label, ha="center", va="center", fontsize=7, linespacing=1.1)
    else:
        ax.add_patch(Circle((MIDDLE, middle), SUM, facecolor="white", edgecolor="black", linewidth=0.7))
        cross = 0.6 * SUM
        ax.plot([MIDDLE - cross, MIDDLE + cross], [middle, middle], color="black", linewidth=0.7)
        ax.plot([MIDDLE, MIDDLE], [middle - cross, middle + cross], color="black", linewidth=0.7)
    ax.text(BESIDE, middle - 0.5, step.beside, va="center", fontsize=6.5, linespacing=1.1)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>,head_width=0.12,head_length=0.25",
            "linewidth": 0.7,
            "shrinkA": 0,
            "shrinkB": 0,
            "facecolor": "black",
        },
    )


if __name__ == "__main__":
    run_stage(plot_architecture)
