"""Hello world, proverbs and Shakespeare: the tables and verdicts, against what is counted here by hand."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minillm.corpus.split_text import split_text
from minillm.evaluation.record import read_records
from minillm.files import read_json, write_csv, write_json
from minillm.studies.hello_world import tabulate_hello_world
from minillm.studies.proverbs import judge, write_proverbs
from minillm.studies.shakespeare import tabulate_shakespeare
from minillm.studies.summary import summarise_studies
from minillm.vocabulary.tokenizer import train_tokenizer

KNOWN = ["A quien madruga, Dios le ayuda", "Agua que no has de beber, déjala correr", "No por mucho madrugar amanece"]


@pytest.mark.parametrize(
    ("text", "kind", "nearest"),
    [
        ("a QUIEN madruga Dios le ayuda.", "copied", KNOWN[0]),
        ("Al que madruga, Dios le ayuda", "near", KNOWN[0]),
        ("Agua que no has de beber, déjala beber", "near", KNOWN[1]),
        ("Agua que no has de beber", "near", KNOWN[1]),  # 19 of 32 letters
        ("Agua que no has", "new", KNOWN[1]),  # 12 of them
        ("Más vale pájaro en mano", "new", None),
        ("", "empty", None),
        (" …", "empty", None),
    ],
)
def test_a_proverb_is_copied_near_or_new(text: str, kind: str, nearest: str | None) -> None:
    (judged,) = judge([text], KNOWN)
    assert (judged.text, judged.kind) == (text, kind)
    assert nearest is None or judged.nearest == nearest


def test_the_nearest_is_the_most_similar_of_all() -> None:
    """Skipping those that cannot be more similar finds the same as comparing with each."""
    from difflib import SequenceMatcher

    sample = Path(__file__).parents[2] / "data/sample/proverbs.txt"
    proverbs = sample.read_text(encoding="utf-8").splitlines()
    known, asked = proverbs[:60], proverbs[60:90]

    def letters(text: str) -> str:
        return "".join(character for character in text.casefold() if character.isalnum())

    for judged in judge(asked, known):
        ratios = {
            one: SequenceMatcher(None, letters(one), letters(judged.text), autojunk=False).ratio() for one in known
        }
        assert ratios[judged.nearest] == max(ratios.values())


def test_proverbs_are_written_and_judged(tmp_path: Path, save_tiny: Callable[..., tuple[Path, Path]]) -> None:
    lines = [f"{start} {end}" for start in ("Quien", "El que") for end in ("da", "va", "canta", "calla", "mira")]
    (tmp_path / "lines.txt").write_text("\n".join(lines), encoding="utf-8")
    articles = tmp_path / "articles.parquet"
    split_text(tmp_path / "lines.txt", "lines", "", {"train": 0.6, "validation": 0.2, "test": 0.2}, 1, articles)
    tokenizer = tmp_path / "characters.json"
    built = train_tokenizer(lines, "characters", 260)
    built.save(str(tokenizer))
    weights, description = save_tiny(built.get_vocab_size())
    outputs = {name: tmp_path / name for name in ("texts", "study", "records")}
    write_proverbs(
        weights,
        description,
        tokenizer,
        articles,
        corpus="proverbs",
        model="m",
        training_seed="1",
        max_tokens=6,
        temperature=1.0,
        seed=1,
        threads=1,
        device="cpu",
        **outputs,
    )
    study = read_json(outputs["study"])
    assert len(study["written"]) == 30
    assert (study["human"], study["temperature"]) == (2, 1.0)
    assert all(len(one["text"]) <= 6 for one in study["written"])
    records = {(record.metric, record.model): record for record in read_records(outputs["records"])}
    for model, n in (("m", 30), ("m-human", 2)):
        shares = [records[f"{kind}_share", model] for kind in ("copied", "near", "new", "empty")]
        assert sum(record.value for record in shares) == pytest.approx(1)
        assert [record.n for record in shares] == [n] * 4
    new = sum(one["kind"] == "new" for one in study["written"]) / 30
    assert records["new_share", "m"].value == pytest.approx(new)
    assert records["new_share", "m"].interval == "95 %, bootstrap over proverbs"
    text = outputs["texts"].read_text(encoding="utf-8").splitlines()
    assert text[0].startswith("30 proverbs at temperature 1: ")
    assert len(text) == 32


def history(path: Path, losses: list[float], per_epoch: int = 1) -> Path:
    rows = [
        {"step": 9 * epoch, "epoch": epoch + 0.02, "train_loss": loss, "validation_loss": loss / 2}
        for epoch, loss in enumerate(losses, 1)
    ]
    write_csv(path, list(rows[0]), rows)
    return path


def test_losses_stand_beside_what_the_original_reported(tmp_path: Path) -> None:
    titles = {"con": "Con máscara", "sin": "Sin máscara"}
    texts = {"texts": [{"prompt": "hola", "greedy": " mundo", "sampled": " hola"}]}
    verdicts, generations = [], []
    for model in titles:
        verdicts.append(tmp_path / f"{model}-verdict.json")
        generations.append(tmp_path / f"{model}-generations.json")
        write_json(verdicts[-1], {"leaks": model == "sin"})
        write_json(generations[-1], texts)
    outputs = {name: tmp_path / name for name in ("losses", "texts", "study", "records")}
    tabulate_hello_world(
        [
            history(tmp_path / "con.csv", [1 / n for n in range(1, 31)]),
            history(tmp_path / "sin.csv", [2 / n for n in range(1, 31)]),
        ],
        verdicts,
        generations,
        titles,
        "hello_world",
        "1",
        **outputs,
    )
    study = read_json(outputs["study"])
    assert study["leaking"] == ["sin"]
    assert study["epochs"] == [10, 20, 30]
    records = {(r.metric, r.model, r.split): r.value for r in read_records(outputs["records"])}
    assert len(records) == 12
    assert records["train_loss_epoch20", "con", "train"] == pytest.approx(0.05)
    assert records["validation_loss_epoch10", "sin", "validation"] == pytest.approx(0.1)
    lines = outputs["losses"].read_text(encoding="utf-8").splitlines()
    assert lines[lines.index("Con máscara") + 11].split() == ["10", "0.1000", "0.0500", "1.20"]
    assert lines[lines.index("Sin máscara") + 2].split() == ["1", "2.0000", "1.0000"]
    assert "Sin máscara, greedy: hola| mundo" in outputs["texts"].read_text(encoding="utf-8")


def shakespeare_inputs(folder: Path, measured: int) -> dict[str, Any]:
    (folder / "text.txt").write_text("".join(f"verso {n:05}\n" for n in range(6000)), encoding="utf-8")
    articles = folder / "articles.parquet"
    shares = {"train": 0.4, "validation": 0.3, "test": 0.3}
    split_text(folder / "text.txt", "book", "", shares, 1, articles)  # 6, 5 and 5 pieces
    rows = [{"split": "train", "nll": 99.0, "tokens": 1}]
    rows += [{"split": "validation", "nll": 10.0 + n, "tokens": 10} for n in range(measured)]
    rows += [{"split": "test", "nll": 20.0, "tokens": 5 + n} for n in range(5)]
    write_csv(folder / "documents.csv", ["split", "nll", "tokens"], rows)
    write_json(folder / "generations.json", {"texts": [{"prompt": "ROMEO:", "greedy": "", "sampled": " Ay"}]})
    return {
        "documents": folder / "documents.csv",
        "articles": articles,
        "generations": folder / "generations.json",
        "corpus": "shakespeare",
        "model": "m",
        "seed": "1",
        **{name: folder / name for name in ("texts", "study", "records")},
    }


def test_the_loss_is_that_of_both_halves_together(tmp_path: Path) -> None:
    inputs = shakespeare_inputs(tmp_path, measured=5)
    tabulate_shakespeare(**inputs)
    (record,) = read_records(inputs["records"])
    assert record.value == pytest.approx((5 * 10 + 10 + 5 * 20) / (5 * 10 + 5 * 5 + 10))
    assert (record.metric, record.split, record.n) == ("loss", "validation+test", 10)
    assert record.interval == "95 %, bootstrap over pieces"
    assert inputs["texts"].read_text(encoding="utf-8") == "ROMEO: Ay\n"


def test_a_part_of_the_split_is_not_taken_for_all_of_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has 9 of the 10 pieces of validation and test: raise sample_articles"):
        tabulate_shakespeare(**shakespeare_inputs(tmp_path, measured=4))


def test_numbers_of_the_studies_are_collected_with_their_source(tmp_path: Path) -> None:
    inputs = shakespeare_inputs(tmp_path, measured=5)
    tabulate_shakespeare(**inputs)
    other = [{**json.loads(inputs["records"].read_text())[0], "seed": seed, "model": "b"} for seed in ("1", "2")]
    write_json(tmp_path / "other.json", other)
    summarise_studies([inputs["records"], tmp_path / "other.json"], tmp_path / "metrics.csv")
    with (tmp_path / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["model"], row["seed"], Path(row["source"]).name) for row in rows] == [
        ("b", "1", "other.json"),
        ("b", "2", "other.json"),
        ("b", "all", "mean over seeds"),
        ("m", "1", "records"),
    ]
