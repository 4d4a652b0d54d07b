"""Novelty, copies and extraction from texts written by hand beside a train split of two articles."""

from pathlib import Path
from typing import Any

import pytest

from minillm.corpus.tables import ARTICLES, write_table
from minillm.evaluation.memorisation import LONG_COPY, evaluate_memorisation
from minillm.evaluation.record import Record, read_records
from minillm.files import read_json, write_json

TRAIN = {
    "Río": "el río nace en la sierra y baja por el valle hasta que llega al mar del norte",
    "Torre": "la torre de la villa fue levantada por los frailes en el siglo quince con piedra gris",
}
NEW = "una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce"


def text(greedy: str = NEW, split: str = "test", **more: str) -> dict[str, Any]:
    filler = {"page_id": 9, "prompt": "dice que", "reference": NEW, "greedy": greedy, "sampled": NEW}
    return {**filler, "split": split, **more}


def evaluated(
    folder: Path, texts: list[dict[str, Any]], printed: list[dict[str, str]] | None = None
) -> tuple[dict[tuple[str, str], Record], Any]:
    filler = {field.name: "" if field.type == "string" else 0 for field in ARTICLES}
    rows = [
        {**filler, "page_id": number, "title": title, "split": "train", "text": words}
        for number, (title, words) in enumerate(TRAIN.items())
    ]
    rows.append({**filler, "title": "Otro", "split": "test", "text": NEW})
    write_table(folder / "articles.parquet", rows, ARTICLES)
    write_json(folder / "continuations.json", texts)
    write_json(folder / "generations.json", {"texts": printed or []})
    evaluate_memorisation(
        folder / "continuations.json",
        folder / "generations.json",
        folder / "articles.parquet",
        "toy",
        "tiny",
        "1",
        folder / "memorisation.json",
        folder / "copies.json",
    )
    found = {(one.metric, one.split): one for one in read_records(folder / "memorisation.json")}
    return found, read_json(folder / "copies.json")


def test_text_cut_from_train_is_not_new_and_names_its_article(tmp_path: Path) -> None:
    cut = " ".join(TRAIN["Torre"].split()[1:15])
    found, copies = evaluated(tmp_path, [text(cut), text(cut)])
    for order in (4, 8, 13):
        assert found[f"novelty{order}", "test"].value == 0
        assert found[f"novelty_sampled{order}", "test"].value == 1
        assert found[f"novelty_human{order}", "test"].value == 1
    assert found["copied_words", "test"].value == found["most_copied_words", "test"].value == 14
    assert found["copied_words_human", "test"].value == 0
    assert copies["continuations"][0] == {
        "page_id": 9,
        "greedy": {"words": 14, "title": "Torre", "page_id": 1},
        "sampled": {"words": 0, "title": None, "page_id": None},
    }


def test_novelty_by_hand(tmp_path: Path) -> None:
    """Of the four runs of four words in each text two and one are in train: «el río nace en», «río nace en la»."""
    found, _ = evaluated(tmp_path, [text("el río nace en la villa fue"), text("z el río nace en z z")])
    assert found["novelty4", "test"].value == pytest.approx(1 - 3 / 8)
    assert found["novelty4", "test"].n == 2
    assert ("novelty8", "test") not in found, "nobody knows of runs that are longer than the texts"
    assert found["copied_words", "test"].value == pytest.approx((5 + 4) / 2)


def test_only_words_of_the_model_count(tmp_path: Path) -> None:
    """A run that begins in the prompt is a copy as far as the model wrote it; n-grams are of its own words."""
    start = TRAIN["Río"].split()
    row = text(" ".join(start[6:10]), prompt=" ".join(start[:6]))
    found, copies = evaluated(tmp_path, [row, row])
    assert copies["continuations"][0]["greedy"] == {"words": 4, "title": None, "page_id": None}
    assert found["novelty4", "test"].value == 0
    assert found["novelty4", "test"].n == 2
    _, copies = evaluated(tmp_path, [text(" ".join(start[6:14]), prompt=" ".join(start[:6]))] * 2)
    assert LONG_COPY == 8
    assert copies["continuations"][0]["greedy"] == {"words": 8, "title": "Río", "page_id": 0}


def test_printed_texts_name_their_article_too(tmp_path: Path) -> None:
    """What is printed is the continuation as it is, which may go on in the middle of the last word."""
    printed = [
        {"prompt": "El río", "greedy": " nace en la sierra y baja por el valle", "sampled": "s"},
        {"prompt": "El río nac", "greedy": "e en la sierra y baja por el", "sampled": ""},
    ]
    _, copies = evaluated(tmp_path, [text(), text()], printed)
    assert copies["printed"] == [
        {"greedy": {"words": 9, "title": "Río", "page_id": 0}, "sampled": {"words": 0, "title": None, "page_id": None}},
        {
            "greedy": {"words": 7, "title": None, "page_id": None},
            "sampled": {"words": 0, "title": None, "page_id": None},
        },
    ]


def test_extraction_by_hand(tmp_path: Path) -> None:
    """All words of one of four train texts, the first two of four of another; the test texts are the control."""
    rows = [
        text("a b c d", "train", reference="a b c d"),
        text("a b x d", "train", reference="a b c d"),
        text("", "train", reference="a b c d"),
        text("b c d a", "train", reference="a b c d"),
        text("a x x x", reference="a b c d"),
        text("a b c", reference="a b c d"),
    ]
    found, _ = evaluated(tmp_path, rows)
    assert found["extraction", "train"].value == pytest.approx(1 / 4)
    assert found["extraction_words", "train"].value == pytest.approx((1 + 1 / 2) / 4)
    assert found["extraction", "test"].value == 0
    assert found["extraction_words", "test"].value == pytest.approx((1 / 4 + 3 / 4) / 2)
    assert (found["extraction", "train"].n, found["extraction", "test"].n) == (4, 2)


def test_a_model_that_knows_all_by_heart(tmp_path: Path) -> None:
    rows = [text(row, "train", reference=row) for row in TRAIN.values() for _ in range(6)] + [text("nada")] * 12
    found, _ = evaluated(tmp_path, rows)
    learnt, control = found["extraction", "train"], found["extraction", "test"]
    assert (learnt.value, learnt.low, learnt.high, learnt.n) == (1, 1, 1, 12)
    assert (control.value, control.low, control.high, control.n) == (0, 0, 0, 12)


def test_empty_texts_beside_others(tmp_path: Path) -> None:
    """They have no n-grams; no resample of them alone can divide by nothing."""
    found, _ = evaluated(tmp_path, [text(""), *[text("z")] * 10, text("el río nace en la villa fue")])
    assert (found["novelty4", "test"].value, found["novelty4", "test"].n) == (pytest.approx(2 / 4), 1)
    assert found["copied_words", "test"].n == 12
    empty, _ = evaluated(tmp_path, [text("")] * 12)
    assert ("novelty4", "test") not in empty
    assert empty["most_copied_words", "test"].value == 0


def test_the_order_of_the_texts_does_not_matter(tmp_path: Path) -> None:
    rows = [text("el río nace en la villa fue"), text("la torre de la villa z"), text(), text("x", "train")]
    first, _ = evaluated(tmp_path, rows)
    second, _ = evaluated(tmp_path, rows[::-1])
    assert {key: one.value for key, one in first.items()} == pytest.approx(
        {key: one.value for key, one in second.items()}
    )
