"""The figures of a look inside: nothing touches or is cut off, labels are Spanish, bytes are the same twice."""

import json
import re
import struct
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from pypdf import PdfReader

from minillm.figures import architecture, attention, embeddings, positions
from minillm.files import write_columns, write_json
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, QwenConfig
from minillm.studies.architecture import describe
from minillm.studies.look_inside import position_table, write_attention

MODULES = {"architecture": architecture, "attention": attention, "embeddings": embeddings, "positions": positions}
COLUMN, PAGE = 252 / 72.27, 516 / 72.27  # inches
WIDTHS = {"architecture": COLUMN, "attention": PAGE, "embeddings": PAGE, "positions": COLUMN}
TITLES = {"base": "Línea base", "mejor": "Mejorado"}
TOKENS = [
    "[BOS]",
    *(f"␣{word}" for word in ["durante", "la", "revolución", "industrial,", "desenvolvimiento"]),
    *"abcdef",
]
LABELS = {
    "architecture": ["Línea base: 19\u2009648 parámetros", "Atención causal", "2 cabezas", "Capa de salida", "× 2"],
    "attention": ["Token atendido", "Token que atiende", "Peso de atención", "capa 6, cabeza 8", "[BOS]", "0,4"],
    "embeddings": ["Línea base: t-SNE", "Primera componente", "Apariciones en el entrenamiento", "0,5"],
    "positions": ["Línea base", "Mejorado", "senos y cosenos", "coseno del giro", "Posición", "−0,5"],
}
SHAPE = {"layers": 2, "width": 32, "heads": 2, "feed_forward": 64, "context": 24}


def models() -> dict[str, Any]:
    torch.manual_seed(0)
    small = MiniGPTConfig(**SHAPE)  # type: ignore[arg-type]
    return {"base": build_model(small, 39), "mejor": build_model(QwenConfig(architecture="qwen", **SHAPE), 39)}  # type: ignore[arg-type]


def write_inputs(folder: Path) -> None:
    """Made-up embeddings and attention, and what two models are made of."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(6, 8, len(TOKENS), len(TOKENS))) * 2
    weights = np.exp(scores) * np.tri(len(TOKENS))
    write_attention(folder / "attention.csv", (weights / weights.sum(-1, keepdims=True)).astype(np.float32), TOKENS)
    words = [f"{'palabra' * (number % 3 + 1)}{number}" for number in range(199)]
    places = {f"{name}_{axis}": (0.4 * random.normal(size=200)).tolist() for name in ("pca", "tsne") for axis in (1, 2)}
    counts = np.geomspace(9000, 12, 200).astype(int).tolist()
    write_columns(folder / "embeddings.csv", {"token": [*words, "$^{"], "count": counts, **places})
    for name, model in models().items():
        write_json(folder / name / "architecture.json", describe(model))
        np.save(folder / name / "positions.npy", position_table(model))


def plot(name: str, folder: Path, output: Path) -> tuple[Path, Path]:
    paths = output / f"{name}.pdf", output / f"{name}.png"
    if name == "positions":
        files = [[folder / model / file for model in TITLES] for file in ("positions.npy", "architecture.json")]
        positions.plot_positions(*files, TITLES, *paths)
    elif name == "architecture":
        architecture.plot_architecture(folder / "base" / "architecture.json", "Línea base", *paths)
    else:
        plotter = attention.plot_attention if name == "attention" else embeddings.plot_embeddings
        plotter(folder / f"{name}.csv", "Línea base", *paths)
    return paths


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inside")
    write_inputs(folder)
    return folder


@pytest.fixture
def drawn(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Figure]:
    """The figure itself, laid out, in place of its files."""

    def draw(name: str) -> Figure:
        figures: list[Figure] = []
        monkeypatch.setattr(MODULES[name], "save", lambda figure, *_: figures.append(figure))
        plot(name, inputs, tmp_path)
        figures[0].draw_without_rendering()
        return figures[0]

    return draw


def texts_of(figure: Figure) -> list[Text]:
    """Every text that shows, tick labels included."""
    hidden = {label for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for label in hidden_labels(axis)}
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text() and text not in hidden]
    return [text for text in found if text.axes is None or text.axes.axison or text in text.axes.texts]


def hidden_labels(axis: Any) -> set[Text]:
    """Labels of ticks that lie outside the axis or are not shown."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    shown = {tick.label1 for tick in ticks if low - 1e-9 <= tick.get_loc() <= high + 1e-9 and tick.label1.get_visible()}
    return {label for tick in ticks for label in (tick.label1, tick.label2)} - shown


@pytest.mark.parametrize("name", WIDTHS)
def test_no_text_touches_another_or_the_edge(drawn: Callable[[str], Figure], name: str) -> None:
    figure = drawn(name)
    boxes = {text: text.get_window_extent() for text in texts_of(figure)}
    assert len(boxes) > 10
    for text, box in boxes.items():
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y1 <= figure.bbox.y1, text
    for (one, first), (other, second) in combinations(boxes.items(), 2):
        overlap = (
            min(first.x1, second.x1) - max(first.x0, second.x0),
            min(first.y1, second.y1) - max(first.y0, second.y0),
        )
        assert min(overlap) <= 0.5, (one, other, overlap)  # pixels of 1/100 inch


def test_names_of_words_cover_no_point(drawn: Callable[[str], Figure]) -> None:
    figure = drawn("embeddings")
    for ax in figure.axes[:2]:
        points = ax.transData.transform(ax.collections[0].get_offsets())
        names = [text for text in ax.texts if text.get_text()]
        assert 20 < len(names) <= embeddings.NAMES
        for text in names:
            assert text.get_window_extent().count_contains(points) == 0, text
            gap = np.abs(points - text.get_window_extent().get_points().mean(0)) - text.get_window_extent().size / 2
            assert gap.max(1).min() < 6, "a name far from every point"
        ranks = [int(found[0]) for text in names if (found := re.search(r"\d+", text.get_text()))]
        assert ranks == sorted(ranks), "frequent words do not choose first"
        assert sum(rank < 40 for rank in ranks) > sum(rank >= 160 for rank in ranks)


@pytest.mark.parametrize("name", WIDTHS)
def test_files(inputs: Path, tmp_path: Path, name: str) -> None:
    """Of the article's width, the same bytes twice, TrueType fonts, Spanish labels with a decimal comma."""
    pdf, png = plot(name, inputs, tmp_path / "one")
    again = plot(name, inputs, tmp_path / "two")
    assert [pdf.read_bytes(), png.read_bytes()] == [path.read_bytes() for path in again]
    page = PdfReader(pdf).pages[0]
    assert float(page.mediabox.width) == pytest.approx(WIDTHS[name] * 72, abs=0.01)
    assert float(page.mediabox.height) < 9 * 72
    assert struct.unpack(">I", png.read_bytes()[16:20])[0] == pytest.approx(WIDTHS[name] * 300, abs=1)
    assert b"/Type3" not in pdf.read_bytes()
    text = page.extract_text()
    for label in LABELS[name]:
        assert label in text, text
    assert not re.search(r"\d\.\d", text), text


def test_heads_are_drawn_where_they_belong(drawn: Callable[[str], Figure], inputs: Path) -> None:
    """Of six layers and eight heads four each, with their own weights; what the mask hides is blank."""
    figure = drawn("attention")
    maps = {ax.get_title(): ax.images[0].get_array() for ax in figure.axes if ax.images}
    assert list(maps) == [f"capa {layer}, cabeza {head}" for layer in (1, 3, 4, 6) for head in (1, 3, 6, 8)]
    lines = (inputs / "attention.csv").read_text("utf-8").splitlines()
    row = next(line for line in lines if line.startswith("4,6,7,b,2,␣la,"))
    assert maps["capa 4, cabeza 6"][7, 2] == pytest.approx(float(row.rpartition(",")[2]))
    assert (np.ma.getmaskarray(maps["capa 6, cabeza 1"]) == ~np.tri(len(TOKENS), dtype=bool)).all()


@pytest.mark.parametrize("name", ["base", "mejor", "after", "learned"])
def test_the_diagram_counts_every_parameter(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands beside the boxes, those of a layer as often as there are layers, sums to the total."""
    changes = {"after": {"norm": "after"}, "learned": {"positions": "learned"}}
    model = models().get(name) or build_model(MiniGPTConfig(**SHAPE, **changes[name]), 39)
    total = sum(parameter.numel() for parameter in model.parameters())
    write_json(tmp_path / "architecture.json", describe(model))
    figures: list[Figure] = []
    monkeypatch.setattr(architecture, "save", lambda figure, *_: figures.append(figure))
    architecture.plot_architecture(tmp_path / "architecture.json", "X", tmp_path / "a.pdf", tmp_path / "a.png")
    counted = 0
    frame = figures[0].axes[0].patches[-1]
    for text in figures[0].axes[0].texts:
        if (found := re.search(r"(?:\n|, )([\d\u2009]+) parámetros$", text.get_text())) is not None:
            inside = frame.get_y() < text.get_position()[1] < frame.get_y() + frame.get_height()
            counted += int(found[1].replace("\u2009", "")) * (2 if inside else 1)
    assert counted == total == json.loads((tmp_path / "architecture.json").read_text())["parameters"]


def test_sines_stand_before_cosines(drawn: Callable[[str], Figure]) -> None:
    """Every even dimension and then every odd one, and ticks that say which."""
    sinusoidal = drawn("positions").axes[0]
    shown = np.asarray(sinusoidal.images[0].get_array())
    assert shown[0].tolist() == [0.0] * 16 + [1.0] * 16
    assert shown[5, 3] == pytest.approx(np.sin(5 / 10_000 ** (6 / 32)), abs=1e-6)
    assert shown[5, 19] == pytest.approx(np.cos(5 / 10_000 ** (6 / 32)), abs=1e-6)
    assert [label.get_text() for label in sinusoidal.get_xticklabels()] == ["0", "16", "1", "17"]


def test_each_kind_of_positions_once(inputs: Path, tmp_path: Path) -> None:
    names = ["base", "base", "mejor"]
    titles = {**TITLES, "base": "Única"}
    paths = tmp_path / "a.pdf", tmp_path / "a.png"
    files = [[inputs / model / file for model in names] for file in ("positions.npy", "architecture.json")]
    positions.plot_positions(*files, titles, *paths)
    assert PdfReader(paths[0]).pages[0].extract_text().count("Única") == 1
