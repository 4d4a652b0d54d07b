"""The sentiment study: its numbers worked out by hand, its figure, and the sentences of the article that it chooses."""

import csv
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader

from minillm.evaluation.record import Record, read_records
from minillm.figures.sentiment import plot_sentiment
from minillm.files import read_json, write_csv
from minillm.paper.latex import Quantity, environment
from minillm.studies.messages import LABELS
from minillm.studies.sentiment import evaluate_sentiment

PAPER = Path(__file__).parents[2] / "paper"
TRUE = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]  # of the test
SAID = {
    ("pretrained", "1"): [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 0, 1],  # 8 of 12 right
    ("pretrained", "2"): TRUE,
    ("untrained", "1"): [2] * 12,  # 5 of 12 right
    ("untrained", "2"): [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 0],  # 11 of 12 right
}
SURE = 0.7  # what is said has this probability, the other two labels share the rest
WORDS = ["malo", "mesa", "bueno"]


@pytest.fixture
def evaluated(tmp_path: Path) -> Path:
    """A folder with what the stage makes of these predictions, and the predictions."""
    rows = [
        {"text": f"{WORDS[label]} {split} {n}", "label": LABELS[label], "split": split}
        for split, labels in (("train", [0] * 6 + [1] * 7 + [2] * 9), ("validation", [0, 1, 1, 2]), ("test", TRUE))
        for n, label in enumerate(labels)
    ]
    write_csv(tmp_path / "messages.csv", ["text", "label", "split"], rows)
    predictions = []
    for (start, seed), said in SAID.items():
        predictions.append(tmp_path / start / f"seed-{seed}" / "predictions.csv")
        table = [
            {"label": LABELS[true], **{name: SURE if n == own else 0.15 for n, name in enumerate(LABELS)}}
            for true, own in zip(TRUE, said, strict=True)
        ]
        write_csv(predictions[-1], ["label", *LABELS], table)
        history = [{"step": 10 * n, "train_loss": 1.2 / n, "validation_loss": 1.1 - 0.1 * n} for n in (1, 2, 3)]
        write_csv(predictions[-1].with_name("history.csv"), list(history[0]), history)
    evaluate_sentiment(
        tmp_path / "messages.csv",
        predictions,
        "Un modelo",
        ["a.csv"],
        True,
        False,
        tmp_path / "records.json",
        tmp_path / "study.json",
        tmp_path / "confusion.csv",
    )
    return tmp_path


def number(folder: Path, metric: str, model: str, seed: str = "") -> Record:
    found = [r for r in read_records(folder / "records.json") if (r.metric, r.model, r.seed) == (metric, model, seed)]
    assert len(found) == 1
    assert (found[0].corpus, found[0].split, found[0].n) == ("sentiment", "test", 12)
    return found[0]


def test_accuracy_and_macro_f1_are_the_textbook_ones(evaluated: Path) -> None:
    own = "sentiment-pretrained"
    assert number(evaluated, "accuracy", own, "1").value == pytest.approx(8 / 12)
    # Of each label twice what is right, by what there is and what is said: 4 and 4, 3 and 4, 5 and 4.
    expected = (2 * 3 / 8 + 2 * 2 / 7 + 2 * 3 / 9) / 3
    assert number(evaluated, "macro_f1", own, "1").value == pytest.approx(expected)
    assert number(evaluated, "macro_f1", own, "2").value == 1
    assert number(evaluated, "macro_f1", "sentiment-untrained", "1").value == pytest.approx(2 * 5 / 17 / 3)
    loss = -(8 * math.log(SURE) + 4 * math.log(0.15)) / 12
    assert number(evaluated, "loss", own, "1").value == pytest.approx(loss)
    assert number(evaluated, "accuracy", own, "1").interval == "95 %, bootstrap over messages"


def test_the_marks(evaluated: Path) -> None:
    """The most frequent label of what is trained on, with all shares as probabilities; TF-IDF learns the words."""
    assert number(evaluated, "accuracy", "sentiment-majority").value == pytest.approx(5 / 12)
    loss = -(4 * math.log(7 / 26) + 3 * math.log(9 / 26) + 5 * math.log(10 / 26)) / 12
    assert number(evaluated, "loss", "sentiment-majority").value == pytest.approx(loss)
    assert number(evaluated, "accuracy", "sentiment-tfidf").value == 1
    assert number(evaluated, "loss", "sentiment-tfidf").value < 0.5


def test_differences_are_paired_by_message_and_seed(evaluated: Path) -> None:
    own = "sentiment-pretrained"
    first, second = (number(evaluated, "accuracy_difference_untrained", own, seed) for seed in "12")
    assert first.value == pytest.approx(8 / 12 - 5 / 12)
    assert second.value == pytest.approx(1 / 12)
    assert second.interval == "95 %, paired bootstrap over messages"
    assert second.low == 0  # one message differs, always to the better
    assert number(evaluated, "accuracy_difference_tfidf", own, "2").value == 0
    assert number(evaluated, "accuracy_difference_tfidf", own, "2").high == 0
    assert number(evaluated, "accuracy_difference_majority", own, "1").value == pytest.approx(3 / 12)
    assert first.better == "higher"


def test_confusion_and_facts(evaluated: Path) -> None:
    with (evaluated / "confusion.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    chosen = [row for row in rows if (row["model"], row["seed"]) == ("sentiment-pretrained", "1")]
    own = {(row["true"], row["said"]): int(row["messages"]) for row in chosen}
    expected = np.zeros((3, 3), dtype=int)
    np.add.at(expected, (TRUE, SAID["pretrained", "1"]), 1)
    assert own == {(LABELS[row], LABELS[column]): expected[row, column] for row in range(3) for column in range(3)}
    assert len(rows) == 9 * 6
    study = read_json(evaluated / "study.json")
    assert study["messages"] == {"train": 22, "validation": 4, "test": 12}
    assert (study["title"], study["synthetic"], study["seeds"], study["data"]) == ("Un modelo", True, 2, ["a.csv"])
    assert study["tfidf"]["features"] in ("words", "characters")


def draw(folder: Path, name: str) -> tuple[Path, Path]:
    histories = [folder / start / f"seed-{seed}" / "history.csv" for start, seed in SAID]
    pdf, png = folder / f"{name}.pdf", folder / f"{name}.png"
    plot_sentiment(folder / "records.json", folder / "confusion.csv", histories, pdf, png)
    return pdf, png


def test_the_figure(evaluated: Path) -> None:
    first, second = draw(evaluated, "one"), draw(evaluated, "two")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    page = PdfReader(first[0]).pages[0]
    assert float(page.mediabox.width) == pytest.approx(516 * 72 / 72.27, abs=0.01)
    text = page.extract_text()
    for label in (
        *("negativo", "neutro", "positivo", "Predicho", "Verdadero", "Exactitud (prueba)", "Etiqueta más frecuente"),
        *("TF-IDF y regresión", "Sin preentrenar", "Pérdida (nat/mensaje)", "Preentrenado, validación"),
    ):
        assert label in text
    assert not re.search(r"\d\.\d", text), text
    assert b"/Type3" not in first[0].read_bytes()


# The article


def section(sides: dict[str, str] | None = None, **facts: Any) -> str:
    """The section with a value of its own for each metric and model."""

    def studied(metric: str, model: str, split: str) -> Quantity:
        assert split == "test"
        value = {"accuracy": 0.5, "macro_f1": 0.25, "loss": 1.25}.get(metric, 0.75) + 0.01 * len(model)
        return Quantity(value, "", value - 0.25, value + 0.25, 9, metric=metric)

    study = {
        "title": "Un modelo_",
        "data": ["a.csv"],
        "synthetic": False,
        "lora": False,
        "seeds": 3,
        "messages": SimpleNamespace(train=302, validation=76, test=126),
        "tfidf": SimpleNamespace(features="words", strength=1.0),
        "reported": SimpleNamespace(accuracy=0.758, train=3000, test=2000),
    }
    values = {
        "studies": {"sentiment": SimpleNamespace(**(study | facts))},
        "studied": studied,
        "against": lambda metric, *_: (sides or {}).get(metric.removeprefix("accuracy_difference_"), "unclear"),
    }
    text = environment(PAPER).get_template("sections/estudio_sentimiento.tex").render(values)
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("sides", "sentences"),
    [
        ({}, ["no puede decirse que el preentrenamiento ayude", "no se distingue de la regresión"]),
        ({"untrained": "above", "tfidf": "below"}, ["preentrenamiento ayuda:", "queda por detrás de la regresión"]),
        ({"untrained": "below", "tfidf": "above"}, ["preentrenamiento perjudica:", "supera a la regresión"]),
    ],
)
def test_the_result_chooses_the_sentence(sides: dict[str, str], sentences: list[str]) -> None:
    text = section(sides)
    every = {"no puede decirse", "ayuda:", "perjudica:", "supera a la", "queda por detrás", "no se distingue de la"}
    for sentence in sentences:
        assert sentence in text
    assert sum(words in text for words in every) == 2


def test_every_row_of_the_table_has_its_own_numbers() -> None:
    for model, name in (("tfidf", "TF{-}IDF"), ("pretrained", "Preentrenado")):
        shift = 0.01 * len(f"sentiment-{model}")
        numbers = [
            f"{value + shift:.2f} {{[}}{value + shift - 0.25:.2f};~{value + shift + 0.25:.2f}{{]}}"
            for value in (0.5, 0.25)
        ]
        cells = " & ".join([name, *numbers, f"{1.25 + shift:.2f}"]).replace(".", "{,}")
        assert f"{cells} \\\\" in section()


def test_the_section_says_what_was_done() -> None:
    text = section(synthetic=True)
    assert r"Un modelo\_ se ajusta" in text
    assert "De 302 mensajes aprende, con 76 se elige la época y 126 son la prueba; todos los escribió un modelo" in text
    assert "palabras y pares de palabras" in text
    assert "0{,}758" in text
    assert "3 semillas" in text
    assert "De 302 mensajes de a.csv aprende" in section()
    one = section(seeds=1, tfidf=SimpleNamespace(features="characters", strength=1.0))
    assert "semilla" not in one
    assert "Student" not in one
    assert "grupos de letras" in one
    assert "escribió un modelo" not in one
