"""Sentences and rows of the article that depend on results, filled with made-up ones that tell them apart."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minillm.paper.latex import Quantity, environment

PAPER = Path(__file__).parents[2] / "paper"


def model(name: str, **changes: Any) -> SimpleNamespace:
    """An honest model that knows every word and of which nothing stands out."""
    usual: dict[str, Any] = {"leaks": False, "flattered": False, "knows_all": True, "behind": [], "gender": None}
    usual |= {"gender_learnt": None, "repeats": None, "phrases": None, "novelty": None, "recalls": None}
    return SimpleNamespace(name=name, title=name, training=None, parameters=1000, **(usual | changes))


def section(name: str, *models: SimpleNamespace, numbers: dict[str, float] | None = None) -> str:
    """A section in which every metric is 1, but for the numbers that are given as «metric of model»."""

    def metric(metric: str, model: str, split: str = "") -> Quantity:
        value = (numbers or {}).get(f"{metric} of {model}", 1.0)
        return Quantity(value, "", None, None, 10, struck=False, metric=metric)

    article = SimpleNamespace(articles=330)
    values = {
        "models": {one.name: one for one in models},
        "flattering": [one for one in models if one.leaks and one.flattered],
        "metric": metric,
        "audit": lambda model, name: metric(name, model),
        "measured": lambda *_: True,
        "corpus": SimpleNamespace(splits=dict.fromkeys(("train", "validation", "test"), article)),
        "seeds": [1],
        "comparisons": [],
        "marks": [],
        "continuations": SimpleNamespace(prompts=9, prompt_words=16, continuation_words=24),
        "generation": SimpleNamespace(temperature=0.8),
        "machine": SimpleNamespace(processor="Z80", threads=1, dtype="float32"),
    }
    return environment(PAPER).get_template(f"sections/{name}.tex").render(values)


def test_every_row_beside_the_old_report_has_its_own_metric() -> None:
    numbers = {f"bleu{order} of {name}": order / 10 + shift
               for order in range(1, 5) for name, shift in (("una", 0.01), ("otra", 0.02))}  # fmt: skip
    numbers |= {"bias_mean_predicted_padding of una": 5.0, "bias_variance_predicted_padding of otra": 7.0}
    rows = re.findall(
        r"^    (.*?) \\\\$", section("discusion", model("una"), model("otra"), numbers=numbers), re.MULTILINE
    )
    by_name = {row.split(" & ")[0]: row.split(" & ")[1:] for row in rows}
    assert by_name["BLEU-1"] == ["0{,}0731", "0{,}1100", "0{,}1200"]
    assert by_name["BLEU-3"] == ["0{,}0057", "0{,}3100", "0{,}3200"]
    assert by_name["BLEU-4"] == ["0{,}0026", "0{,}4100", "0{,}4200"]
    assert by_name["Sesgo, media$^{*}$"] == ["211{,}83", "5{,}00", "1{,}00"]
    assert by_name["Sesgo, varianza$^{*}$"] == [r"563\,029{,}68", "1{,}00", "7{,}00"]


@pytest.mark.parametrize(
    ("gender", "learnt", "sentence"),
    [
        ("unclear", "unclear", "no muestra en los pares de igual longitud una preferencia distinta del azar."),
        ("above", "above", "el lado masculino más de lo que explica el azar, y lo hace más que sin entrenar."),
        ("above", "below", "el lado masculino más de lo que explica el azar, y lo hace menos que sin entrenar."),
        ("below", "below", "el lado femenino más de lo que explica el azar, y lo hace más que sin entrenar."),
        ("below", "above", "el lado femenino más de lo que explica el azar, y lo hace menos que sin entrenar."),
        ("above", "unclear", "azar, pero no se distingue en ello del mismo modelo sin entrenar."),
    ],
)
def test_the_sentence_on_gender_pairs(gender: str, learnt: str, sentence: str) -> None:
    assert sentence in section("resultados", model("una", gender=gender, gender_learnt=learnt))


def test_what_was_not_measured_is_not_said() -> None:
    text = section("resultados", model("una"))
    assert "pares de igual longitud" not in text
    assert "texto humano en repetición" not in text
    assert "queda por detrás" not in text
    assert "tab:desconocido" not in text


def test_marks_that_are_not_reached_are_named() -> None:
    text = section("resultados", model("una", behind=["compresor xz", "n-gramas (subpalabras)"]))
    assert "una queda por detrás de estas marcas: compresor xz{,} n{-}gramas (subpalabras)." in text
    assert "tab:desconocido" in section("resultados", model("una", knows_all=False))
    assert "queda por detrás" not in section("resultados", model("una", leaks=True, behind=["compresor xz"]))


def test_only_a_leak_that_flatters_explains_the_old_report() -> None:
    honest, plain, flattered = model("una"), model("otra", leaks=True), model("otra", leaks=True, flattered=True)
    assert "no se ha reproducido" in section("discusion", honest)
    assert "no se ha reproducido" in section("discusion", honest, plain)
    assert "Un modelo que ve el futuro (otra) obtiene" in section("discusion", honest, flattered)
