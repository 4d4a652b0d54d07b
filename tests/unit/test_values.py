"""What templates can print is what the result files hold: nothing is computed, nothing is mixed up."""

import csv
from pathlib import Path
from typing import Any

import pytest

from minillm.evaluation.record import FIELDS
from minillm.files import read_json, write_json
from minillm.paper.values import REASONS, gather


def test_models_have_their_own_files_of_the_first_seed(results: dict[str, Any]) -> None:
    values = gather(**results)
    assert list(values["models"]) == ["base", "tramposo"]
    base, leaking = values["models"].values()
    assert (base.title, base.layers, base.causal, base.leaks) == ("Línea base", 2, True, False)
    assert (leaking.title, leaking.causal, leaking.leaks) == ("Sin máscara", False, True)
    assert (base.flattered, leaking.flattered) == (False, True)
    assert (base.parameters, base.outcome.steps, base.training.batch_size) == (1003, 30, 8)
    assert (base.vocabulary_size, base.vocabulary_kind) == (300, "words")
    (text,) = values["generations"]["base"]
    assert (text.greedy, text.copied.greedy.words, text.copied.greedy.title) == (" es 3 % ñ_", 9, "El río")


def test_the_order_of_the_files_does_not_matter(results: dict[str, Any]) -> None:
    for name in ("descriptions", "outcomes", "generations", "copies", "metrics"):
        results[name] = results[name][::-1]
    values = gather(**results)
    assert values["models"]["base"].outcome.steps == 30
    assert values["metric"]("latency", "base").value == 3.5


def test_metrics_are_means_over_seeds_with_their_intervals(results: dict[str, Any]) -> None:
    found = gather(**results)["metric"]("bits_per_byte", "base", "test")
    assert (found.value, found.low, found.high, found.n) == (2.25, 2.24, 2.26, 12)
    assert (found.unit, found.struck) == ("bit/byte", False)


def test_numbers_of_a_leaking_model_are_struck_out(results: dict[str, Any]) -> None:
    """But not what the audit found of it, what it wrote token by token, or what it costs."""
    values = gather(**results)
    assert values["metric"]("bits_per_byte", "tramposo", "test").struck
    assert not values["audit"]("tramposo", "incremental_perplexity").struck
    assert values["audit"]("tramposo", "incremental_perplexity").value == 12345.6
    assert not values["metric"]("bleu4", "tramposo", "test").struck
    assert not values["metric"]("latency", "tramposo").struck


def test_scores_of_human_texts_are_never_struck_out(results: dict[str, Any]) -> None:
    """Floor and ceiling do not come from the model at all, and what it writes token by token is honest."""
    path: Path = results["metrics"][0]
    (line,) = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("bleu4,")]
    names = ["bleu1", "bleu_floor4", "seq_rep2", "most_copied_words_human", "novelty8", "unbleu"]
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(line.replace("bleu4", name) + "\n" for name in names)
    metric = gather(**results)["metric"]
    assert [metric(name, "tramposo", "test").struck for name in names] == [False] * 5 + [True]


def test_what_a_model_writes_is_held_against_what_people_write(results: dict[str, Any]) -> None:
    """By hand: apart only if the intervals are; what could not be measured is not told apart."""
    path: Path = results["metrics"][0]
    rows = [
        ("seq_rep4", "test", 0.3, 0.25, 0.35),
        ("seq_rep_human4", "test", 0.1, 0.05, 0.2),
        ("novelty4", "test", 0.6, 0.5, 0.7),
        ("novelty_human4", "test", 0.8, 0.75, 0.85),
        ("novelty8", "test", 0.9, 0.85, 0.95),
        ("novelty_human8", "test", 0.96, 0.94, 0.98),
        ("extraction_words", "train", 0.5, 0.4, 0.6),
    ]
    write_rows(path, [dict(zip(("metric", "split", "value", "low", "high"), row, strict=True)) for row in rows])
    base = gather(**results)["models"]["base"]
    assert (base.repeats, base.phrases, base.novelty, base.recalls) == ("above", "below", "unclear", None)
    write_rows(path, [{"metric": "extraction_words", "split": "test", "value": 0.1, "low": 0.0, "high": 0.2}])
    values = gather(**results)
    assert values["models"]["base"].recalls == "above"
    assert values["models"]["tramposo"].recalls is None
    assert values["measured"]("seq_rep4", "base", "test")
    assert not values["measured"]("seq_rep4", "tramposo", "test")


def test_the_side_of_gender_pairs_that_is_preferred(results: dict[str, Any]) -> None:
    """From 0.625 to 0.875: above one half. A leaking model has the sentences before it, and its share is struck out."""
    values = gather(**results)
    base = values["models"]["base"]
    assert (base.gender, base.gender_learnt) == ("above", "above"), "untrained from 0.4 to 0.6"
    assert values["metric"]("gender_preference_same_length", "tramposo", "pairs").struck
    path: Path = results["metrics"][0]
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("0.625", "0.5"), encoding="utf-8")
    assert gather(**results)["models"]["base"].gender == "unclear"
    lines = [line for line in text.splitlines() if not line.startswith("gender")]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert gather(**results)["models"]["base"].gender is None, "no pairs of equal length"


def test_what_a_model_does_not_reach(results: dict[str, Any]) -> None:
    """2.25 bits are less than those of either mark; 3 are more than xz's 2.9."""
    assert gather(**results)["models"]["base"].behind == []
    path: Path = results["metrics"][0]
    path.write_text(path.read_text(encoding="utf-8").replace("2.25,", "3.0,"), encoding="utf-8")
    values = gather(**results)
    assert values["models"]["base"].behind == ["Compresor xz"]
    assert (values["models"]["base"].knows_all, values["models"]["tramposo"].knows_all) == (False, True)
    assert [model.name for model in values["flattering"]] == ["tramposo"]
    assert values["machine"].processor == "Z80"


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("a", encoding="utf-8", newline="") as stream:
        csv.DictWriter(stream, FIELDS).writerows([{"model": "base", "seed": "all", **row} for row in rows])


def test_a_number_that_is_not_there_is_an_error_with_its_name(results: dict[str, Any]) -> None:
    values = gather(**results)
    with pytest.raises(ValueError, match=r"metrics\.csv.* has no perplexity of base on the split 'test'"):
        values["metric"]("perplexity", "base", "test")
    with pytest.raises(ValueError, match="has no bits_per_byte of nadie on the split 'test'"):
        values["metric"]("bits_per_byte", "nadie", "test")
    assert values["metric"]("bits_per_byte", "xz", "test").value == 2.9  # no model, and measured all the same


def test_marks_that_were_measured_in_the_order_of_the_settings(results: dict[str, Any]) -> None:
    marks = gather(**results)["marks"]
    assert [(mark.title, mark.bits_per_byte.value) for mark in marks] == [
        ("Compresor xz", 2.9),
        ("Unigrama (palabras)", 4.5),
    ]


def test_comparisons_are_against_the_first_model(results: dict[str, Any]) -> None:
    (comparison,) = gather(**results)["comparisons"]
    assert (comparison.model, comparison.reference, comparison.outcome) == ("tramposo", "base", "better")
    path: Path = results["metrics"][0]
    path.write_text(path.read_text().replace("-2.1,", "0.1,"))  # the interval of one seed now holds zero
    assert gather(**results)["comparisons"][0].outcome == "unclear"


def test_the_corpus_and_what_was_dropped(results: dict[str, Any]) -> None:
    corpus = gather(**results)["corpus"]
    assert corpus.dropped == [("redirecciones", 3), ("casi duplicados", 2)]
    assert (corpus.pages, corpus.kept, corpus.splits["test"].articles) == (11, 6, 3)
    assert (corpus.licence, corpus.select.min_characters) == ("CC BY-SA 4.0", 9)


def test_one_page_that_was_dropped_is_in_the_singular(results: dict[str, Any]) -> None:
    path: Path = results["selection"]
    write_json(path, {**read_json(path), "dropped": {"list": 1, "redirect": 1, "short": 0}})
    assert gather(**results)["corpus"].dropped == [("redirección", 1), ("textos demasiado cortos", 0), ("lista", 1)]


def test_every_reason_of_the_selection_has_a_name() -> None:
    """Kinds of pages (all but articles) and the reasons of `select_articles`, listed by hand."""
    kinds = {"redirect", "namespace", "content_model", "disambiguation"}
    assert set(REASONS) == kinds | {
        "short",
        "language",
        "list",
        "markup",
        "no_prose",
        "exact_duplicate",
        "near_duplicate",
        "skeleton",
    }


def test_vocabularies(results: dict[str, Any]) -> None:
    vocabulary = gather(**results)["vocabularies"]["palabras"]
    assert (vocabulary.title, vocabulary.kind, vocabulary.size) == ("palabras enteras", "words", 300)
    assert vocabulary.splits["validation"].unknown == 2


def test_the_rest(results: dict[str, Any]) -> None:
    values = gather(**results)
    assert values["provenance"].short == "0123456789ab"
    assert values["provenance"].versions == [("Python", "3.11"), ("torch", "2.9")]
    assert [author.name for author in values["paper"].authors] == ["Equipo"]
    assert (values["continuations"].prompts, values["generation"].temperature) == (40, 0.8)
    assert (values["run"].name, values["seeds"]) == ("prueba", [3, 4])
    assert not hasattr(values["paper"], "subtitle")


def test_only_failed_checks_make_a_draft(results: dict[str, Any]) -> None:
    assert [(check.name, check.detail) for check in gather(**results)["draft"]] == [("causality", "ve el futuro")]
    path: Path = results["checks"]
    saved = read_json(path)
    write_json(path, {**saved, "checks": [check for check in saved["checks"] if check["passed"]]})
    assert gather(**results)["draft"] == []


def test_a_pretrained_model_was_not_trained_here(results: dict[str, Any]) -> None:
    """And not every model says how it is shaped."""
    results["outcomes"] = [path for path in results["outcomes"] if path.parent.parent.name != "base"]
    base, trained = gather(**results)["models"].values()
    assert (base.training, base.outcome) == (None, None)
    assert (base.layers, base.heads, base.dropout) == (2, None, None)
    assert trained.outcome.steps == 30


def test_numbers_of_studies_are_struck_out_where_a_leak_flatters_them(results: dict[str, Any]) -> None:
    values = gather(**results)
    studied = values["studied"]
    assert (studied("loss", "honrado", "test").value, studied("loss", "honrado", "test").low) == (1.5, 1.4)
    assert not studied("loss", "honrado", "test").struck
    assert studied("loss", "con fuga", "test").struck
    assert not studied("loss", "con fuga", "test", audited=True).struck
    assert values["measured_in_study"]("loss", "honrado", "test")
    assert not values["measured_in_study"]("loss", "honrado", "train")
    assert values["studies"]["hello_world"].models == ["honrado", "con fuga"]
    assert values["left_out"] == {"shakespeare": "falta su texto"}


@pytest.mark.parametrize(
    ("stated", "expected"), [(1.3, "above"), (1.39, "above"), (1.4, "unclear"), (1.5, "unclear"), (1.61, "below")]
)
def test_a_number_lies_beside_one_that_was_stated(results: dict[str, Any], stated: float, expected: str) -> None:
    against = gather(**results)["against"]
    assert against("loss", "honrado", "test", stated) == expected
    assert against("loss", "con fuga", "test", stated) == "unclear"  # it has no interval


def test_a_run_without_studies(results: dict[str, Any]) -> None:
    values = gather(**{**results, "studies": [], "study_metrics": []})
    assert values["studies"] == {}
    with pytest.raises(ValueError, match="no loss of honrado"):
        values["studied"]("loss", "honrado", "test")
