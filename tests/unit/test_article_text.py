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


def test_every_caption_names_the_rule_that_made_it() -> None:
    """But those of what somebody wrote: the models of others, and the algorithm."""
    floats = [
        (path.stem, *found.groups())
        for path in sorted(PAPER.rglob("*.tex"))
        for found in re.finditer(r"\\caption\{(.*)\}.*\n *\\label\{(.*)\}", path.read_text(encoding="utf-8"))
    ]
    assert len(floats) > 30
    named = {label: re.findall(r"\\regla(?:\[s\])?\{(.*)\}$", caption) for _, caption, label in floats}
    assert [label for label, rules in named.items() if not rules] == ["alg:entrenamiento", "tab:modernos"]
    words = {word for (rules,) in filter(None, named.values()) for word in re.findall(r"\b[a-z]\w*", rules)}
    workflow = "".join(path.read_text(encoding="utf-8") for path in (PAPER.parent / "workflow" / "rules").glob("*.smk"))
    rules = set(re.findall(r"^(?:rule|use rule \w+ as) (\w+)", workflow, re.MULTILINE))
    assert words - {"if", "trained", "else", "endif"} <= rules


def test_every_row_beside_the_old_report_has_its_own_metric() -> None:
    numbers = {f"bleu{order} of {name}": order / 10 + shift
               for order in range(1, 5) for name, shift in (("una", 0.01), ("otra", 0.02))}  # fmt: skip
    numbers |= {"bias_mean_predicted_padding of una": 5.0, "bias_variance_predicted_padding of otra": 7.0}
    rows = re.findall(
        r"^    (.*?) \\\\$", section("apendice_informe", model("una"), model("otra"), numbers=numbers), re.MULTILINE
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
    assert "continuación voraz" not in text
    assert "queda por detrás" not in text
    assert "tab:desconocido" not in section("apendice_resultados", model("una"))


def test_marks_that_are_not_reached_are_named() -> None:
    text = section("resultados", model("una", behind=["compresor xz", "n-gramas (subpalabras)"]))
    assert "una queda por detrás de estas marcas: compresor xz{,} n{-}gramas (subpalabras)." in text
    assert "tab:desconocido" in section("apendice_resultados", model("una", knows_all=False))
    assert "queda por detrás" not in section("resultados", model("una", leaks=True, behind=["compresor xz"]))


def test_only_a_leak_that_flatters_explains_the_old_report() -> None:
    honest, plain, flattered = model("una"), model("otra", leaks=True), model("otra", leaks=True, flattered=True)
    assert "no se ha reproducido" in section("apendice_informe", honest)
    assert "no se ha reproducido" in section("apendice_informe", honest, plain)
    assert "Un modelo que ve el futuro (otra) obtiene" in section("apendice_informe", honest, flattered)


# The studies


def study(name: str, numbers: dict[str, float], sides: dict[str, str] | None = None, **values: Any) -> str:
    """A section on the studies: numbers as «metric of model», sides of `against` by metric and stated number."""

    def studied(metric: str, model: str, split: str = "", audited: bool = False) -> Quantity:
        return Quantity(numbers.get(f"{metric} of {model}", 1.0), "", None, None, 10, struck=False, metric=metric)

    shared = {
        "studied": studied,
        "measured_in_study": lambda metric, model, split: f"{metric} of {model}" in numbers,
        "against": lambda metric, model, split, stated: (sides or {}).get(str(stated), "unclear"),
        "left_out": {},
        "seeds": [1],
    }
    text = environment(PAPER).get_template(f"sections/{name}.tex").render({**shared, **values})
    return " ".join(text.split())


HELLO = SimpleNamespace(
    models=["con", "sin"],
    titles=SimpleNamespace(con="Con máscara", sin="Sin máscara"),
    leaking=["sin"],
    epochs=[10, 50],
    reported=SimpleNamespace(loss=SimpleNamespace(**{"10": 1.2, "50": 0.05}), perplexity=1.05),
)
LOSSES = {"train_loss_epoch50 of con": 0.06, "train_loss_epoch50 of sin": 0.24}


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        (LOSSES, "no acaba con menos pérdida que el que la aprende"),
        ({**LOSSES, "train_loss_epoch50 of sin": 0.01}, "acaba con menos pérdida que el que la aprende, y por"),
    ],
)
def test_hello_world_says_which_model_lost_less(losses: dict[str, float], sentence: str) -> None:
    text = study("estudio_hola_mundo", losses, studies=SimpleNamespace(hello_world=HELLO))
    assert sentence in text
    assert "la auditoría, sí" in text
    assert "Época 50 & 0{,}05 & 0{,}06 &" in text


def test_hello_world_without_a_leak_claims_none() -> None:
    honest = SimpleNamespace(**{**vars(HELLO), "leaking": []})
    text = study("estudio_hola_mundo", LOSSES, studies=SimpleNamespace(hello_world=honest))
    assert "la auditoría, sí" not in text
    assert "fuga" not in text


def test_hello_world_calls_nothing_new_only_if_nothing_is() -> None:
    written = {"novelty4 of con": 0.0, "novelty4 of sin": 1.0, "novelty_human4 of sin": 0.0}
    studies = SimpleNamespace(hello_world=HELLO)
    text = study("estudio_hola_mundo", {**LOSSES, **written}, studies=studies)
    assert r"el 0~\% (Con máscara) y el 100~\% (Sin máscara), y de los que hay en los de prueba, el 0~\%: nada" in text
    assert "nada en ellos es nuevo" not in study(
        "estudio_hola_mundo", {**LOSSES, **written, "novelty_human4 of sin": 0.004}, studies=studies
    )


@pytest.mark.parametrize(
    ("sides", "sentences"),
    [
        ({"1.88": "below", "1.4697": "above"}, ["Es menor que la de CPU.", "Es mayor que la de GPU."]),
        ({"1.88": "unclear", "1.4697": "below"}, ["No se distingue de la de CPU.", "Es menor que la de GPU."]),
    ],
)
def test_shakespeare_lies_beside_what_was_published(sides: dict[str, str], sentences: list[str]) -> None:
    shakespeare = SimpleNamespace(
        model="m", split="both", texts=[], reported=SimpleNamespace(cpu=1.88, gpu=1.4697), pieces=24
    )
    text = study("estudio_shakespeare", {}, sides, studies=SimpleNamespace(shakespeare=shakespeare))
    assert all(sentence in text for sentence in sentences)
    assert text.count("la de CPU.") == text.count("la de GPU.") == 1


def test_a_study_that_was_not_made_is_named_with_its_reason() -> None:
    text = study("estudios", {}, studies={}, left_out={"inside": "no hay modelos", "shakespeare": "falta su texto"})
    assert "El estudio «el interior de los modelos» no se ha hecho: no hay modelos." in text
    assert "El estudio «Shakespeare» no se ha hecho: falta su texto." in text
    assert "tab:declarado" not in text


def test_proverbs_are_marked_as_what_they_are() -> None:
    kinds = [("copied", "copia"), ("near", "variante de «B»"), ("new", "nuevo"), ("empty", "vacío")]
    written = [SimpleNamespace(text=f"t{kind}", kind=kind, nearest="B") for kind, _ in kinds]
    proverbs = SimpleNamespace(model="m", temperature=0.8, written=written, human=52)
    shares = {"copied_share of m": 0.25, "empty_share of m": 0.25, "near_share of m-human": 0.1}
    text = study("estudio_refranes", shares, studies=SimpleNamespace(proverbs=proverbs))
    assert all(rf"\emph{{t{kind}}}» ({words})" in text for kind, words in kinds)
    assert "el resto está vacío" in text
    assert "el resto está vacío" not in study(
        "estudio_refranes", {**shares, "empty_share of m": 0.0}, studies=SimpleNamespace(proverbs=proverbs)
    )
