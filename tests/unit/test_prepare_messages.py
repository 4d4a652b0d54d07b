"""Messages: read from where a person has them, split without a text on two sides, and refused in one clear line."""

import csv
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minillm.files import write_csv
from minillm.studies.messages import read_messages
from minillm.studies.prepare_messages import prepare_messages

NAMES = ["negative", "neutral", "positive"]


def table(path: Path, counts: dict[str, int], word: str = "mensaje") -> Path:
    rows = [{"text": f"{word} {label} {n}", "label": label} for label, number in counts.items() for n in range(number)]
    write_csv(path, ["text", "label"], rows)
    return path


def prepare(*data: Path | str, output: Path, **more: Any) -> dict[str, Counter[str]]:
    """How many messages of each label are in each part."""
    settings = {"text_column": "text", "label_column": "label", "train": 3000, "test": 2000, "seed": 1, **more}
    prepare_messages([str(name) for name in data], output=output, **settings)
    parts: dict[str, Counter[str]] = {"train": Counter(), "validation": Counter(), "test": Counter()}
    for row in rows_of(output):
        parts[row["split"]][row["label"]] += 1
    return parts


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_file_is_cut_in_three_with_the_shares_of_its_labels(tmp_path: Path) -> None:
    """A quarter is the test, and a fifth of the rest the validation part."""
    source = table(tmp_path / "a.csv", {"negative": 80, "neutral": 40, "positive": 40})
    parts = prepare(source, output=tmp_path / "m.csv")
    assert parts["test"] == {"negative": 20, "neutral": 10, "positive": 10}
    assert parts["validation"] == {"negative": 12, "neutral": 6, "positive": 6}
    assert parts["train"] == {"negative": 48, "neutral": 24, "positive": 24}
    assert len({row["text"] for row in rows_of(tmp_path / "m.csv")}) == 160


def test_two_files_keep_their_sides_and_are_cut_to_size(tmp_path: Path) -> None:
    one = table(tmp_path / "train.csv", {"negative": 50, "positive": 100})
    two = table(tmp_path / "test.csv", {"negative": 30, "positive": 60}, "otro")
    parts = prepare(one, two, output=tmp_path / "m.csv", train=60, test=30)
    assert parts["train"] == {"negative": 16, "positive": 32}
    assert parts["validation"] == {"negative": 4, "positive": 8}
    assert parts["test"] == {"negative": 10, "positive": 20}
    assert all(row["text"].startswith("otro") == (row["split"] == "test") for row in rows_of(tmp_path / "m.csv"))


def test_the_seed_decides_which_messages(tmp_path: Path) -> None:
    source = table(tmp_path / "a.csv", dict.fromkeys(NAMES, 30))
    files = [tmp_path / f"{name}.csv" for name in "bcd"]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        prepare(source, output=file, seed=seed)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes() != files[2].read_bytes()


def test_no_text_is_on_two_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not with other capitals or spaces either; of a text in both files the test has it."""
    one = table(tmp_path / "train.csv", dict.fromkeys(NAMES, 20))
    two = table(tmp_path / "test.csv", dict.fromkeys(NAMES, 10), "otro")
    with one.open("a", encoding="utf-8") as stream:
        stream.write("OTRO  negative 3,0\nmensaje neutral 4,1\n")
    prepare(one, two, output=tmp_path / "m.csv")
    texts = [row["text"].casefold() for row in rows_of(tmp_path / "m.csv")]
    assert len(texts) == len(set(texts)) == 90
    assert ("otro negative 3", "test") in [(row["text"], row["split"]) for row in rows_of(tmp_path / "m.csv")]
    assert "2 messages left out that occur twice" in capsys.readouterr().out


def test_labels_have_many_names(tmp_path: Path) -> None:
    names = {"0": 0, "1": 1, "2": 2, "Negative": 0, " neutral ": 1, "POSITIVE": 2, "negativo": 0, "neutra": 1}
    rows = [{"text": f"{name} {n}", "label": name} for name in names for n in range(16)]
    write_csv(tmp_path / "a.csv", ["text", "label"], rows)
    prepare(tmp_path / "a.csv", output=tmp_path / "m.csv")
    for row in rows_of(tmp_path / "m.csv"):
        name = next(name for name in names if row["text"].startswith(name.strip() + " "))
        assert row["label"] == NAMES[names[name]]


def test_texts_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Quoted line ends, what a table reader takes for a missing value, and a byte order mark."""
    awkward = ['Dijo "no",\nY se fue', "NA", "null", "Ñandú, sí 😀"]
    rows = [
        {"x": "", "frase": f"{text} {n}" if n else text, "tono": NAMES[n % 3]} for text in awkward for n in range(15)
    ]
    write_csv(tmp_path / "a.csv", ["x", "frase", "tono"], rows)
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.csv").read_bytes())
    prepare(tmp_path / "a.csv", output=tmp_path / "m.csv", text_column="frase", label_column="tono")
    texts, labels = read_messages(tmp_path / "m.csv", "train", "validation", "test")
    assert sorted(texts) == sorted(row["frase"] for row in rows)
    expected = {row["frase"]: NAMES.index(row["tono"]) for row in rows}
    assert [expected[text] for text in texts] == labels.tolist()


def test_rows_without_text_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = table(tmp_path / "a.csv", dict.fromkeys(NAMES, 20))
    with source.open("a", encoding="utf-8") as stream:
        stream.write(",1\n \u200b ,7\n")
    parts = prepare(source, output=tmp_path / "m.csv")
    assert sum(map(Counter.total, parts.values())) == 60
    assert f"2 messages left out that have no text; the first is {source}, line 62" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"texto,label\nhola,1\n", r"a\.csv: there is no column 'text' \(there are: texto, label\); set text_column"),
        (b"text,tono\nhola,1\n", r"a\.csv: there is no column 'label' \(there are: text, tono\)"),
        (b"", r"a\.csv: there is no column 'text' \(there are: none\)"),
        (
            b"text,label\nhola,1\nadios,7\n",
            r"a\.csv, line 3: '7' is no label: use 0, 1, 2 or negative, neutral, positi",
        ),
        (b"text,label\nhola\n", r"a\.csv, line 2: '' is no label"),
        (b"text,label\nhola,1.0\n", r"a\.csv, line 2: '1\.0' is no label"),
        ("text,label\nseñal,1\n".encode("latin-1"), r"a\.csv is not UTF-8"),
        (b'text,label\n"hola' + b"a" * 200_000, r"a\.csv, line \d: .*is a quotation mark not closed\?"),
        (
            b"text,label\n" + b"".join(b"m %d,2\n" % n for n in range(50)),
            r"a\.csv: .* with these labels: positive; give",
        ),
        (b"text,label\n", r"a\.csv: there is nothing to tell apart with these labels: none"),
        (
            b"text,label\n" + b"".join(b"m %d,%d\n" % (n, n % 3) for n in range(30)),
            r"a\.csv: [12] \w+ messages for the validation part are too few, it takes 3; give more messages, or raise",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        prepare(tmp_path / "a.csv", output=tmp_path / "m.csv")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.mark.usefixtures("cache")
def test_a_data_set_of_hugging_face(tmp_path: Path) -> None:
    """A folder is read as one on the hub is: its splits train and test are taken, with labels in figures."""
    for split, number, word in (("train", 60, "uno"), ("test", 20, "dos"), ("validation", 9, "tres")):
        rows = [{"text": f"{word} {n}", "label": n % 3} for n in range(number)]
        write_csv(tmp_path / "set" / f"{split}.csv", ["text", "label"], rows)
    parts = prepare(tmp_path / "set", output=tmp_path / "m.csv")
    assert parts["test"] == {"negative": 7, "neutral": 7, "positive": 6}
    assert (parts["train"] + parts["validation"]).total() == 60
    assert not any(row["text"].startswith("tres") for row in rows_of(tmp_path / "m.csv"))


@pytest.mark.usefixtures("cache")
def test_a_data_set_whose_classes_have_names_in_another_order(tmp_path: Path) -> None:
    """And a single split, which is cut as a file is."""
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "tono": ClassLabel(names=["positive", "negative", "neutral"])})
    rows = {"text": [f"m {n}" for n in range(60)], "tono": [n % 3 for n in range(60)]}
    (tmp_path / "set").mkdir()
    Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "set" / "train.parquet"))
    parts = prepare(tmp_path / "set", output=tmp_path / "m.csv", label_column="tono")
    assert sum(map(Counter.total, parts.values())) == 60
    order = ["positive", "negative", "neutral"]
    assert all(row["label"] == order[int(row["text"].split()[1]) % 3] for row in rows_of(tmp_path / "m.csv"))


@pytest.mark.usefixtures("cache")
def test_what_is_wrong_with_a_data_set_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: no data set can be read from there \(.*\); give its name on the hub"):
        prepare(tmp_path / "empty", output=tmp_path / "m.csv")
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table({"text": ["a", None, "b"], "label": [1, None, None]}), tmp_path / "set" / "train.parquet")
    with pytest.raises(ValueError, match=r"set, train, row 3: '' is no label"):
        prepare(tmp_path / "set", output=tmp_path / "m.csv")
    with pytest.raises(ValueError, match=r"set, train: there is no column 'tono' \(there are: text, label\)"):
        prepare(tmp_path / "set", output=tmp_path / "m.csv", label_column="tono")


def test_the_package_that_reads_data_sets_can_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"set: .* install the package datasets \(pip install '\.\[hub\]'\)"):
        prepare(tmp_path / "set", output=tmp_path / "m.csv")
