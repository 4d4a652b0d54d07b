"""Each check lets honest results pass and stops one made-up lie."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minillm.corpus.tables import ARTICLES, write_table
from minillm.evaluation.gates import check_results
from minillm.evaluation.overlap import measure_overlap
from minillm.evaluation.record import FIELDS, read_records
from minillm.files import read_json, write_csv

HONEST: dict[str, float] = {
    "leaks": 0.0,
    "ways_agree": 1.0,
    "bits_per_byte": 2.0,
    "bits_per_byte_uncharged": 1.5,
    "unknown_rate": 0.1,
    "loss": 3.0,
    "perplexity": math.exp(3.0),
    "total_variation": 0.4,
    "accuracy": 0.3,
}
SPLITS = [(1, 1, "train"), (2, 1, "train"), (3, 3, "validation"), (4, 4, "test")]


def run(
    folder: Path,
    values: dict[str, float] | None = None,
    causal: bool = True,
    articles: list[tuple[int, int, str]] = SPLITS,
    seeds: tuple[str, ...] = ("1",),
    without: str = "",
) -> dict[str, Any]:
    """Check a made-up table: the model `m` lies with its last seed, all else is honest."""
    filler = {field.name: "" if field.type == "string" else 0 for field in ARTICLES}
    rows = [{**filler, "page_id": page, "cluster": cluster, "split": split} for page, cluster, split in articles]
    write_table(folder / "articles.parquet", rows, ARTICLES)
    table: list[dict[str, Any]] = []
    for model in ("m", "good"):
        for seed in (*seeds, "all"):
            lies = values if values and model == "m" and seed == seeds[-1] else {}
            if "bits_per_byte" in lies:  # of which half a bit is spelling
                lies = {"bits_per_byte_uncharged": lies["bits_per_byte"] - 0.5, **lies}
            for metric, value in {**HONEST, **lies}.items():
                table.append({"metric": metric, "value": value, "model": model, "split": "test", "seed": seed})
            table.append({"metric": "loss", "value": 99.0, "model": model, "split": "train", "seed": seed})
    table.append({"metric": "bits_per_byte", "value": 4.0, "model": "unigram-bpe", "split": "test", "seed": ""})
    of_the_run = {"bits_per_byte": ("xz", 2.9), "round_trip": ("bpe", 1.0), "overlap_13": ("", 0.003)}
    for metric, (model, value) in of_the_run.items():
        lie = {} if metric == "bits_per_byte" else values or {}
        row = {"metric": metric, "value": lie.get(metric, value), "model": model, "split": "test", "seed": ""}
        table.append(row)
    table = [row for row in table if row["metric"] != without]
    write_csv(folder / "metrics.csv", FIELDS, table)
    check_results(
        folder / "metrics.csv",
        folder / "articles.parquet",
        {"m": causal, "good": True},
        {"m": "bpe", "good": "bpe"},
        folder / "checks.json",
    )
    result: dict[str, Any] = read_json(folder / "checks.json")
    return result


def failed(result: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [(c["name"], c["kind"], c["model"], c["seed"]) for c in result["checks"] if not c["passed"]]


def test_honest_results_pass(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert failed(result) == []
    assert result["leaking"] == []
    names = [check["name"] for check in result["checks"] if check["model"] in ("m", "")]
    assert names == [
        "all_numbers",
        "splits_disjoint",
        "little_overlap",
        "round_trip",
        "causality",
        "ways_agree",
        "credible_bits_per_byte",
        "perplexity_is_exp_loss",
        "spelling_costs",
        "variation_below_errors",
    ]


def test_a_leak_is_printed(tmp_path: Path) -> None:
    """Its bits per byte mean nothing and are not judged."""
    result = run(tmp_path, {"leaks": 1.0, "bits_per_byte": 0.02})
    assert failed(result) == [("causality", "print", "m", "1")]
    assert result["leaking"] == ["m"]


def test_a_leak_on_purpose_passes_and_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, {"leaks": 1.0, "bits_per_byte": 0.02}, causal=False)
    assert failed(result) == []
    assert result["leaking"] == ["m"]


def test_an_audit_that_finds_no_leak_in_a_leaking_model_is_not_believed(tmp_path: Path) -> None:
    assert failed(run(tmp_path, causal=False)) == [("causality", "print", "m", "1")]


@pytest.mark.parametrize("bits", [0.016, 0.5, 4.0, 7.0, -1.0])
def test_incredible_bits_per_byte_are_printed(tmp_path: Path, bits: float) -> None:
    assert failed(run(tmp_path, {"bits_per_byte": bits})) == [("credible_bits_per_byte", "print", "m", "1")]


@pytest.mark.parametrize("bits", [0.51, 1.2, 3.99])
def test_credible_ones_pass(tmp_path: Path, bits: float) -> None:
    assert failed(run(tmp_path, {"bits_per_byte": bits})) == []


def test_a_perplexity_that_is_not_exp_of_the_loss_blocks(tmp_path: Path) -> None:
    """As in a report with a loss of 3.23 and a perplexity of 27.77."""
    with pytest.raises(ValueError, match=r"check perplexity_is_exp_loss failed for m: exp\(3\.23\) and 27\.77"):
        run(tmp_path, {"loss": 3.23, "perplexity": 27.77})
    written = read_json(tmp_path / "checks.json")  # the table of checks is there to be read all the same
    assert failed(written) == [("perplexity_is_exp_loss", "block", "m", "1")]


def test_more_variation_than_errors_blocks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="check variation_below_errors failed for m"):
        run(tmp_path, {"total_variation": 0.71})
    assert failed(run(tmp_path, {"total_variation": 0.7})) == []  # 1 - 0.3, exactly the bound


@pytest.mark.parametrize(
    ("extra", "detail"),
    [
        ((5, 1, "test"), "1 clusters in two splits, 0 articles twice"),
        ((4, 4, "test"), "0 clusters .* 1 articles twice"),
    ],
)
def test_splits_that_share_articles_block(tmp_path: Path, extra: tuple[int, int, str], detail: str) -> None:
    with pytest.raises(ValueError, match=f"check splits_disjoint failed: {detail}"):
        run(tmp_path, articles=[*SPLITS, extra])


def test_texts_in_both_splits_are_printed(tmp_path: Path) -> None:
    """Under other page ids, with the clusters that the corpus stage would have seen: only their words tell."""
    assert failed(run(tmp_path, {"overlap_13": 0.03})) == [("little_overlap", "print", "", "")]


@pytest.mark.parametrize("copied", [0, 1])
def test_a_train_article_in_the_test_split_is_found_by_its_words(tmp_path: Path, copied: int) -> None:
    """One of twelve, with another page id: the share of its runs of 13 words goes the whole way to the gate."""
    random = np.random.default_rng(0)
    texts = [" ".join(f"palabra{number}" for number in random.integers(500, size=80)) for _ in range(36)]
    filler = {field.name: "" if field.type == "string" else 0 for field in ARTICLES}
    splits = ["train"] * 24 + ["test"] * 12
    texts[30:30 + copied] = texts[:copied]  # fmt: skip
    rows = [
        {**filler, "page_id": n, "cluster": n, "split": split, "text": text}
        for n, (split, text) in enumerate(zip(splits, texts, strict=True))
    ]
    write_table(tmp_path / "texts.parquet", rows, ARTICLES)
    measure_overlap(tmp_path / "texts.parquet", "c", tmp_path / "overlap.json")
    (overlap,) = read_records(tmp_path / "overlap.json")
    assert overlap.value == pytest.approx(copied / 12)
    expected = [("little_overlap", "print", "", "")] if copied else []
    assert failed(run(tmp_path, {"overlap_13": overlap.value})) == expected


def test_a_vocabulary_that_loses_text_is_printed(tmp_path: Path) -> None:
    assert failed(run(tmp_path, {"round_trip": 0.997})) == [("round_trip", "print", "", "")]


@pytest.mark.parametrize(
    "lie", [{"bits_per_byte_uncharged": 2.0}, {"bits_per_byte_uncharged": 2.1}, {"unknown_rate": 0.0}]
)
def test_unknown_words_for_nothing_block(tmp_path: Path, lie: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="check spelling_costs failed for m"):
        run(tmp_path, lie)
    assert failed(run(tmp_path, {"unknown_rate": 0.0, "bits_per_byte_uncharged": 2.0})) == []


@pytest.mark.parametrize("value", ["nan", "", "inf", "muchos"])
def test_what_is_no_number_blocks(tmp_path: Path, value: str) -> None:
    with pytest.raises(ValueError, match="check all_numbers failed: no finite number: accuracy of m"):
        run(tmp_path, {"accuracy": value})  # type: ignore[dict-item]
    assert read_json(tmp_path / "checks.json")["leaking"] == []


@pytest.mark.parametrize("metric", ["leaks", "perplexity", "accuracy", "round_trip", "overlap_13"])
def test_a_number_that_is_missing(tmp_path: Path, metric: str) -> None:
    with pytest.raises(ValueError, match=rf"metrics\.csv has no {metric}[ :]"):
        run(tmp_path, without=metric)
    assert not (tmp_path / "checks.json").exists()


def test_kernels_that_do_not_agree_are_printed(tmp_path: Path) -> None:
    assert failed(run(tmp_path, {"ways_agree": 0.0})) == [("ways_agree", "print", "m", "1")]


def test_every_seed_is_checked(tmp_path: Path) -> None:
    """A lie of the last seed is found; the rows that are means over seeds are not judged."""
    result = run(tmp_path, {"leaks": 1.0}, seeds=("1", "2", "13"))
    assert failed(result) == [("causality", "print", "m", "13")]
    assert {check["seed"] for check in result["checks"] if check["model"] == "m"} == {"1", "2", "13"}
    with pytest.raises(ValueError, match="perplexity_is_exp_loss"):
        run(tmp_path, {"perplexity": 1.0}, seeds=("1", "2"))
