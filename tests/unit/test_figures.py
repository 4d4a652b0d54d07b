"""Every figure: its width fits the column, its fonts are TrueType, its labels Spanish, its bytes the same twice."""

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from minillm.evaluation.record import FIELDS
from minillm.figures.bias import plot_bias
from minillm.figures.bleu import plot_bleu
from minillm.figures.comparison import plot_comparison
from minillm.figures.latency import plot_latency
from minillm.figures.leak import plot_leak
from minillm.figures.novelty import plot_novelty
from minillm.figures.reliability import plot_reliability
from minillm.figures.style import with_comma
from minillm.figures.training import plot_training
from minillm.files import write_csv, write_json

TITLES = {"base": "Línea base", "mejor": "Mejorado", "fuga": "Sin máscara"}
MARKS = {"unigram-palabras": "unigrama (palabras)", "xz": "compresor xz", "unigram-otras": "unigrama (otras)"}
COLUMN, PAGE = 252 * 72 / 72.27, 516 * 72 / 72.27  # points of PDF, 1/72 inch
WIDTHS = {
    "training": PAGE,
    "comparison": COLUMN,
    "bias": COLUMN,
    "bleu": COLUMN,
    "latency": COLUMN,
    "leak": COLUMN,
    "novelty": COLUMN,
    "reliability": COLUMN,
}
LABELS = {
    "training": [
        "Pérdida (nat/token)",
        "Perplejidad (validación)",
        "Exactitud",
        "Tasa de aprendizaje",
        "entrenamiento",
    ],
    "comparison": ["Bits por byte (menos es mejor)", "Sin máscara (inválido)", "compresor xz", "unigrama (palabras)"],
    "bias": ["Rango de frecuencia del token en la partición de prueba", "101–1000", "1001–10\u2009000", "[UNK]"],
    "bleu": ["humano, otro pasaje", "humano, otro artículo", "BLEU-4", "muestra"],
    "novelty": ["gramas nuevos", "humano", "muestra", "= 13"],
    "latency": ["Pasada de una ventana", "Token generado", "ms"],
    "reliability": ["Confianza", "Exactitud", "Tal cual", "Con temperatura"],
    "leak": ["Perplejidad por token del mismo texto", "en paralelo", "token a token"],
}

Draw = Callable[..., tuple[Path, Path]]


def metrics_rows(perplexities: list[float]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def add(metric: str, model: str, value: float, spread: float = 0.0, split: str = "test", seed: str = "1") -> None:
        bounds = {"low": value - spread, "high": value + spread} if spread else {}
        rows.append({"metric": metric, "model": model, "value": value, "split": split, "seed": seed, **bounds})

    for number, model in enumerate(TITLES):
        add("bits_per_byte", model, 1.2 - 0.15 * number, 0.05)
        for place, band in enumerate(("band_1-10", "band_11-100", "band_101-1000", "band_1001-10000", "band_unknown")):
            if (number, place) != (2, 3):  # one that was never predicted
                add(band, model, 0.75 - 0.5 * place + 0.1 * number)
        for order in range(1, 5):
            add(f"bleu{order}", model, 0.12 / order)
            add(f"bleu_sampled{order}", model, 0.1 / order)
            add(f"bleu_floor{order}", model, 0.06 / order**2)
            add(f"bleu_ceiling{order}", model, 0.2 / order)
        for order in (4, 8, 13):
            add(f"novelty_human{order}", model, 1 - 0.5 / order)
            add(f"novelty{order}", model, 1 - (2 - 0.2 * number) / order)
            if (number, order) != (2, 13):  # a model that wrote no run of thirteen words
                add(f"novelty_sampled{order}", model, 1 - 1 / order)
        add("parallel_perplexity", model, perplexities[number])
        add("incremental_perplexity", model, perplexities[number] * (1 if number < 2 else 1.01))
        add("latency", model, 0.4 + 0.2 * number, 0.05, split="")
        add("generation_latency", model, 0.8 + 0.2 * number, 0.125, split="")
    add("bits_per_byte", "xz", 1.4, seed="")
    add("bits_per_byte", "unigram-palabras", 1.7, 0.1, seed="")
    return rows


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Draws one figure from made-up results; the paths of its PDF and PNG."""

    def run(figure: str, perplexities: tuple[float, ...] = (90.0, 40.0, 1.5), output: str = "out") -> tuple[Path, Path]:
        pdf, png = tmp_path / output / f"{figure}.pdf", tmp_path / output / f"{figure}.png"
        metrics, checks = tmp_path / "metrics.csv", tmp_path / "checks.json"
        write_csv(metrics, FIELDS, metrics_rows(list(perplexities)))
        write_json(checks, {"checks": [], "leaking": ["fuga"]})
        if figure == "training":
            histories = [
                write_history(tmp_path / model / f"seed-{seed}", perplexities[number], seed)
                for number, model in enumerate(TITLES)
                for seed in (1, 2)
            ]
            plot_training(histories, TITLES, pdf, png)
        elif figure == "comparison":
            plot_comparison(metrics, checks, TITLES, MARKS, pdf, png)
        elif figure == "reliability":
            files = [write_reliability(tmp_path / model / f"seed-{seed}", seed) for model in TITLES for seed in (1, 2)]
            plot_reliability(files, TITLES, pdf, png)
        else:
            plots = {
                "bias": plot_bias,
                "bleu": plot_bleu,
                "latency": plot_latency,
                "leak": plot_leak,
                "novelty": plot_novelty,
            }
            plots[figure](metrics, TITLES, pdf, png)
        return pdf, png

    return run


def write_reliability(folder: Path, seed: int) -> Path:
    rows = [
        {"confidences": column, "bin": number, "confidence": 0.06 * number, "accuracy": 0.05 * number / seed}
        for column in ("confidence", "tempered")
        for number in range(15)
    ]
    write_csv(folder / "reliability.csv", list(rows[0]), rows)
    return folder / "reliability.csv"


def write_history(folder: Path, perplexity: float, seed: int) -> Path:
    rows = [
        {
            "step": 50 * row,
            "train_loss": 4.5 / row,
            "validation_loss": 5.5 / row + 0.1 * seed,
            "train_accuracy": 0.1 * row,
            "validation_accuracy": 0.08 * row,
            "validation_perplexity": perplexity * (1 + 0.02 * (4 - row)),
            "learning_rate": 3 * 10.0**-row,
        }
        for row in range(1, 5)
    ]
    write_csv(folder / "history.csv", list(rows[0]), rows)
    return folder / "history.csv"


def fonts_of(reader: PdfReader) -> Iterator[DictionaryObject]:
    """Every font of the page, of composite ones the part that holds the glyphs."""
    for font in reader.pages[0]["/Resources"]["/Font"].values():  # type: ignore[index]
        parts = font.get_object().get("/DescendantFonts", [font])
        yield from (part.get_object() for part in parts)


@pytest.mark.parametrize("figure", WIDTHS)
def test_the_width_is_that_of_the_column(draw: Draw, figure: str) -> None:
    """So that it is included at its own size and its letters stay 7 and 8 points high."""
    pdf, png = draw(figure)
    reader = PdfReader(pdf)
    assert len(reader.pages) == 1
    assert float(reader.pages[0].mediabox.width) == pytest.approx(WIDTHS[figure], abs=0.01)
    assert 60 < float(reader.pages[0].mediabox.height) < 220
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    assert width == pytest.approx(WIDTHS[figure] / 72 * 300, abs=1)
    assert height > 150


@pytest.mark.parametrize("figure", WIDTHS)
def test_fonts_are_truetype_and_embedded(draw: Draw, figure: str) -> None:
    pdf, _ = draw(figure)
    fonts = list(fonts_of(PdfReader(pdf)))
    assert fonts
    for font in fonts:
        assert font["/Subtype"] in ("/TrueType", "/CIDFontType2")
        assert "/FontFile2" in font["/FontDescriptor"]
        assert "STIX" in font["/BaseFont"]
    assert b"/Type3" not in pdf.read_bytes()


@pytest.mark.parametrize("figure", WIDTHS)
def test_labels_are_spanish(draw: Draw, figure: str) -> None:
    pdf, _ = draw(figure)
    text = PdfReader(pdf).pages[0].extract_text()
    for label in LABELS[figure]:
        assert label in text
    for title in TITLES.values():
        assert title in text
    assert not re.search(r"\d\.\d", text), text
    if figure != "leak":  # its axis shows powers of ten
        assert re.search(r"\d,\d", text), text


@pytest.mark.parametrize("figure", WIDTHS)
def test_the_same_bytes_twice(draw: Draw, figure: str) -> None:
    first, second = draw(figure, output="one"), draw(figure, output="two")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert not PdfReader(first[0]).metadata
    assert b"tEXt" not in first[1].read_bytes()


@pytest.mark.parametrize("figure", ["leak", "training"])
def test_decimal_commas_within_one_decade(draw: Draw, figure: str) -> None:
    pdf, _ = draw(figure, perplexities=(21.0, 25.0, 29.0))
    assert not re.search(r"\d\.\d", PdfReader(pdf).pages[0].extract_text())


def test_only_the_leaking_model_is_called_invalid(draw: Draw) -> None:
    """And a mark that was not measured is not drawn."""
    pdf, _ = draw("comparison")
    text = PdfReader(pdf).pages[0].extract_text()
    assert text.count("inválido") == 1
    assert "otras" not in text


def test_a_result_shows(draw: Draw, tmp_path: Path) -> None:
    """Another number gives another drawing: figures are not drawn from constants."""
    for figure in ("leak", "training"):
        first, _ = draw(figure, output="one")
        second, _ = draw(figure, perplexities=(90.0, 40.0, 2.5), output="two")
        assert first.read_bytes() != second.read_bytes()


def test_a_missing_number_is_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "metrics.csv", FIELDS, metrics_rows([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match=r"metrics\.csv has no parallel_perplexity of otro on the split 'test'"):
        plot_leak(tmp_path / "metrics.csv", {"otro": "Otro"}, tmp_path / "a.pdf", tmp_path / "a.png")
    assert not (tmp_path / "a.pdf").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1,5"),
        (0, "0"),
        (-0.25, "−0,25"),
        (0.1 + 0.2, "0,3"),
        (1234.5, "1234,5"),
        (10_000, "10\u2009000"),
        (12_345.678, "12\u2009345,678"),
        (-1_000_000, "−1\u2009000\u2009000"),
    ],
)
def test_numbers_on_axes(value: float, text: str) -> None:
    assert with_comma(value) == text


def test_a_pretrained_model_has_no_learning_curve(tmp_path: Path) -> None:
    history = write_history(tmp_path / "base" / "seed-1", 90.0, 1)
    plot_training([history], TITLES, tmp_path / "a.pdf", tmp_path / "a.png")
    text = PdfReader(tmp_path / "a.pdf").pages[0].extract_text()
    assert TITLES["base"] in text
    assert TITLES["mejor"] not in text
