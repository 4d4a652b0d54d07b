"""Preferences by hand, with models whose every answer is known."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from minillm.evaluation import record
from minillm.evaluation.gender_pairs import evaluate_gender_pairs, preferences, read_pairs
from minillm.evaluation.record import read_records
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import BOS, load_tokenizer

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "bias_es"
PAIRS = [
    ("El río es alto.", "La torre es alta."),
    ("El mar es largo.", "La villa es larga y pequeña."),
    ("La villa.", "La villa."),
    ("El valle es azul.", "La playa es azul."),
]


def test_preferences_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits saved by the masculine side: 3, -1, 0 (a tie), 2: preferred in 2 1/2 of 4 pairs, by 1 bit on average."""
    monkeypatch.setattr(record, "FEWEST_ARTICLES", 2)
    shared = {"corpus": "c", "model": "m", "seed": "1", "split": "pairs"}
    preference, difference = preferences(np.array([3.0, -1.0, 1e-9, 2.0]), "_x", shared)
    assert (preference.metric, preference.value, preference.n) == ("gender_preference_x", 2.5 / 4, 4)
    assert (difference.metric, difference.unit) == ("gender_difference_x", "bit")
    assert difference.value == pytest.approx(1)
    assert preference.interval == "95 %, bootstrap over pairs"
    assert preference.low is not None
    assert preference.high is not None
    assert 0 <= preference.low < 2.5 / 4 < preference.high <= 1


@torch.no_grad()
@pytest.mark.parametrize(("kind", "size"), [("words", 24), ("bpe", 280)])
def test_bits_of_every_sentence(
    toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path, kind: str, size: int
) -> None:
    weights, description = save_tiny(size, context=40)
    with (tmp_path / "pairs.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("feminine", "category", "masculine"), *((f, "x", m) for m, f in PAIRS)])
    evaluate_gender_pairs(
        weights,
        description,
        toy_corpus / f"{kind}.json",
        toy_corpus / "articles.parquet",
        [tmp_path / "pairs.csv"],
        "c",
        "m",
        "1",
        threads=1,
        device="cpu",
        records=tmp_path / "records.json",
        scores=tmp_path / "scores.csv",
    )
    model = load_model(weights, description, torch.device("cpu"))
    tokenizer = load_tokenizer(toy_corpus / f"{kind}.json")

    def bits(text: str) -> float:
        ids = tokenizer.encode(text).ids
        log_p = model(torch.tensor([[BOS, *ids[:-1]]]))[0].double().log_softmax(-1)
        return -sum(log_p[place, id_].item() for place, id_ in enumerate(ids)) / math.log(2)

    with (tmp_path / "scores.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3, "two equal sentences are no pair"
    kept = [pair for pair in PAIRS if pair[0] != pair[1]]
    for row, pair in zip(rows, kept, strict=True):
        for side, text in zip(("masculine", "feminine"), pair, strict=True):
            assert int(row[f"{side}_tokens"]) == len(tokenizer.encode(text).ids)
            spelled = float(row[f"{side}_bits"]) - bits(text)
            if kind == "bpe":
                assert spelled == pytest.approx(0, abs=1e-4)
            elif "El" in text:
                assert spelled > 1, "«El» is not in the vocabulary and must be spelled"
    found = {one.metric: one for one in read_records(tmp_path / "records.json")}
    differences = [float(row["feminine_bits"]) - float(row["masculine_bits"]) for row in rows]
    assert found["gender_difference"].value == pytest.approx(np.mean(differences))
    assert found["gender_preference"].value == pytest.approx(np.mean(np.array(differences) > 0))
    same = [d for row, d in zip(rows, differences, strict=True) if row["masculine_tokens"] == row["feminine_tokens"]]
    assert same
    assert found["gender_difference_same_length"].value == pytest.approx(np.mean(same))
    assert found["gender_difference_same_length"].n == len(same)
    untrained = [float(row["feminine_untrained_bits"]) - float(row["masculine_untrained_bits"]) for row in rows]
    assert found["gender_difference_untrained"].value == pytest.approx(np.mean(untrained))
    assert untrained != differences


def test_two_files_aligned_by_line(tmp_path: Path) -> None:
    """What stands behind a tab is an annotation; typographic quotes and spaces are normalised as everywhere."""
    (tmp_path / "m.txt").write_text("El médico  llegó.\tO\t1\nIgual.\tO\n", encoding="utf-8")
    (tmp_path / "f.txt").write_text("La médica llegó.\tM\t1\nIgual.\tM\n", encoding="utf-8")
    assert read_pairs([tmp_path / "m.txt", tmp_path / "f.txt"]) == [("El médico llegó.", "La médica llegó.")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"p.csv": "masculine,femenine\nÉl,Ella\n"}, r"p\.csv: there is no column feminine"),
        ({"m.txt": "Él\nUno\n", "z.txt": "Ella\n"}, r"m\.txt has 2 lines and .*z\.txt 1"),
        ({"p.csv": "masculine,feminine\nIgual,Igual\n"}, "no pair of different sentences"),
        ({"p.csv": "masculine,feminine\nÉl,Ella\nUno\n"}, r"the pair \('Uno', ''\) has only one side"),
    ],
)
def test_files_that_are_no_pairs(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_pairs([tmp_path / name for name in files])


def test_a_byte_order_mark_and_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("masculine,feminine\nÉl,Ella\n", encoding="utf-8-sig")
    assert read_pairs([path]) == [("Él", "Ella")]
    path.write_text("masculine,feminine\nÉl,Ella\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"p\.csv is not UTF-8 .*: save it"):
        read_pairs([path])


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the real sets of pairs are not in ../shared")
def test_real_sets_can_be_read() -> None:
    """359 and 1,200 lines, less the pairs that are equal: in the second set about one in nine."""
    flores = read_pairs([SHARED / f"Flores_ES_{side}.txt" for side in "MF"])
    assert 300 < len(flores) <= 359
    names = (f"mt-geneval-sentences-{side}-dev.es.txt" for side in ("masculine", "feminine"))
    sentences = read_pairs([SHARED / name for name in names])
    assert 1000 < len(sentences) < 1200
    assert all(masculine != feminine for masculine, feminine in [*flores, *sentences])
