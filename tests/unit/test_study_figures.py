"""The pictures of the text studies: what is drawn is in the model, in the same place and colour each time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader
from safetensors.numpy import save_file

from minillm.figures.loss_plot import plot_losses
from minillm.figures.network import draw_network
from minillm.files import write_csv, write_json

WIDTH, INNER, VOCABULARY = 6, 10, 16


def snapshots(folder: Path, layers: int = 2) -> dict[str, Path]:
    random = np.random.default_rng(0)
    shapes = {"embedding.weight": (VOCABULARY, WIDTH), "head.weight": (VOCABULARY, WIDTH)}
    for layer in range(layers):
        shapes |= {
            f"blocks.{layer}.attention.query_key_value.weight": (3 * WIDTH, WIDTH),
            f"blocks.{layer}.attention.query_key_value.bias": (3 * WIDTH,),
            f"blocks.{layer}.attention.output.weight": (WIDTH, WIDTH),
            f"blocks.{layer}.feed_forward.expand.weight": (INNER, WIDTH),
            f"blocks.{layer}.feed_forward.contract.weight": (WIDTH, INNER),
        }
    tensors = {
        f"{step}/{name}": (random.standard_normal(shape) * scale).astype(np.float32)
        for step, scale in ((5, 0.1), (10, 1.0))
        for name, shape in shapes.items()
    }
    save_file(tensors, folder / "snapshots.safetensors")
    write_csv(folder / "history.csv", ["step", "epoch"], [{"step": 5, "epoch": 20.1}, {"step": 10, "epoch": 40.0}])
    names = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", " ", *"eaonrslitdu"]
    write_json(folder / "tokenizer.json", {"model": {"vocab": {name: id_ for id_, name in enumerate(names)}}})
    return {name: folder / file for name, file in (("snapshots", "snapshots.safetensors"), ("history", "history.csv"))}


def draw(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    outputs = {
        "animation": folder / "epochs.gif",
        "pdf": folder / "network.pdf",
        "png": folder / "network.png",
    }
    frames = [folder / "epoch_20.png", folder / "epoch_40.png"]
    draw_network(**snapshots(folder), tokenizer=folder / "tokenizer.json", frames=frames, **outputs)
    return {**outputs, "first": frames[0], "last": frames[1]}


def test_the_network_is_drawn_at_each_epoch_and_moves(tmp_path: Path) -> None:
    made, again = draw(tmp_path / "a"), draw(tmp_path / "b")
    assert all(made[name].read_bytes() == again[name].read_bytes() for name in made)
    (page,) = PdfReader(made["pdf"]).pages
    text = page.extract_text()
    for label in ("Época 20", "Época 40", "espacio", "valores 2", "interna 1", f"({INNER})", f"({VOCABULARY})", "Peso"):
        assert label in text
    first, last = (np.asarray(Image.open(made[name]).convert("RGB"), dtype=int) for name in ("first", "last"))
    assert first.shape == last.shape
    # The weights grew: in the same place there is more colour.
    colourful = [(picture.max(-1) - picture.min(-1) > 60).mean() for picture in (first, last)]
    assert colourful[1] > 2 * colourful[0]
    with Image.open(made["animation"]) as animation:
        assert animation.n_frames == 2  # type: ignore[attr-defined]
        assert animation.size == (first.shape[1] // 2, first.shape[0] // 2)


def test_losses_are_drawn_with_those_reported(tmp_path: Path) -> None:
    rows = [{"epoch": epoch, "train_loss": 1 / epoch} for epoch in (1, 2, 3)]
    histories = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path in histories:
        write_csv(path, list(rows[0]), rows)
    write_json(
        tmp_path / "study.json", {"titles": {"a": "Con máscara", "b": "Sin máscara"}, "reported": {"loss": {"2": 1.2}}}
    )
    plot_losses(histories, tmp_path / "study.json", tmp_path / "loss.pdf", tmp_path / "loss.png")
    (page,) = PdfReader(tmp_path / "loss.pdf").pages
    assert float(page.mediabox.width) == pytest.approx(252 * 72 / 72.27, abs=0.01)
    text = page.extract_text()
    for label in ("Época", "Pérdida (nat/carácter)", "Con máscara", "Sin máscara", "original, según su informe"):
        assert label in text
