"""The cards of models and corpora: front matter that the hub reads, numbers of the result files, no leak flattered."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard

from minillm.evaluation.record import FIELDS
from minillm.files import read_json, write_csv, write_json
from minillm.paper.compile import PaperError
from minillm.paper.data_card import size_category, write_data_card
from minillm.paper.markdown import escape, licence_id
from minillm.paper.model_card import write_model_card

TEMPLATES = Path(__file__).parents[2] / "paper"
AWKWARD = 'Mi: "red" # 1 | <b>*x_y*</b>\n--- \x85[z] `$` é \U0001f600'
CORPUS = {
    "name": "muestra",
    "language": "es",
    "licence": "CC BY-SA 4.0",
    "source": "dump",
    "wiki": "https://es.wikipedia.org/w/",
    "synthetic": False,
    "select": {"min_characters": 500, "copy_similarity": 0.8, "cluster_similarity": 0.4},
}


@pytest.fixture
def selection(tmp_path: Path) -> Path:
    path = tmp_path / "selection.json"
    split = {"words": 87_957, "characters": 509_265}
    splits = {name: {**split, "articles": number} for name, number in (("train", 7), ("validation", 2), ("test", 1))}
    report = {"pages": 1261, "kept": 10, "dropped": {"list": 1, "redirect": 1250}, "holed_sentences": 12345}
    write_json(path, {**report, "splits": splits})
    return path


@pytest.fixture
def run(tmp_path: Path, selection: Path) -> dict[str, Any]:
    """Made-up results of a model with two seeds: the arguments of `write_model_card` for the second."""
    rows: list[dict[str, Any]] = []
    values = {
        "bits_per_byte": (1.25, 1.1234, 1.5),
        "word_perplexity": (12345.6, 12000.4, 13000.5),
        "perplexity": (31.4159, 30.0, 33.0),
        "loss": (3.4473, 3.4, 3.5),
        "accuracy": (0.3456, None, None),
        "unknown_rate": (0.0, None, None),
        **dict.fromkeys(("parallel_perplexity", "incremental_perplexity"), (77.7, None, None)),
        **dict.fromkeys(("past_logit_change", "future_gradient"), (0.0, None, None)),
        **dict.fromkeys(("random_token_loss", "random_token_floor"), (5.5, None, None)),
    }
    for metric, (value, low, high) in values.items():
        row = {"metric": metric, "model": "red", "split": "test", "n": 35}
        rows.append({**row, "seed": "4", "value": value, "low": low, "high": high})
        rows += [{**row, "seed": seed, "value": 999.0} for seed in ("3", "all")]
    for name, value in (("xz", 3.0944), ("unigram-piezas", 3.8636)):
        rows.append({"metric": "bits_per_byte", "model": name, "split": "test", "seed": "", "value": value})
    write_csv(tmp_path / "metrics.csv", FIELDS, rows)
    others = [("red", "3"), ("otra", "4")]
    failed = {"name": "credible", "kind": "print", "passed": False, "detail": "too good"}
    write_json(tmp_path / "checks.json", {"checks": [{**failed, "model": m, "seed": s} for m, s in others]})
    write_json(tmp_path / "verdict.json", {"leaks": False})
    config = {"architecture": "qwen", "context": 48, "rope_theta": 10000.0}
    write_json(tmp_path / "config.json", {"config": config, "parameters": 1_234_567, "vocabulary_size": 400})
    outcome = {"steps": 680, "best_step": 600, "epochs": 3.456, "tokens": 696_320, "precision": "fp32"}
    training = {"learning_rate": 0.005, "patience": None, "optimizer": "muon"}
    write_json(tmp_path / "outcome.json", {**outcome, "training": training})
    return {
        "template": TEMPLATES / "model-card.md",
        "settings": {
            "run": "prueba",
            "seeds": [3, 4],
            "title": "Mi red",
            "vocabulary": {"name": "piezas", "title": "subpalabras"},
            "corpus": CORPUS,
            "prompt": "El agua",
        },
        "model": "red",
        "seed": "4",
        "metrics": tmp_path / "metrics.csv",
        "checks": tmp_path / "checks.json",
        "verdict": tmp_path / "verdict.json",
        "selection": selection,
        "description": tmp_path / "config.json",
        "outcome": tmp_path / "outcome.json",
        "output": tmp_path / "huggingface" / "README.md",
    }


def model_card(run: dict[str, Any]) -> ModelCard:
    write_model_card(**run)
    return ModelCard.load(run["output"])


def code_of(card: ModelCard | DatasetCard, language: str = "python") -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", card.text, re.MULTILINE | re.DOTALL)
    return str(block)


def test_the_hub_reads_the_front_matter_of_a_model(run: dict[str, Any]) -> None:
    data = model_card(run).data
    assert (data.language, data.license, data.library_name) == ("es", "cc-by-sa-4.0", "transformers")
    assert (data.pipeline_tag, data.tags, data.model_name) == ("text-generation", ["miniLLM"], "Mi red")
    found = {result.metric_type: result.metric_value for result in data.eval_results or []}
    assert found == {"bits_per_byte": 1.25, "word_perplexity": 12345.6, "perplexity": 31.4159, "accuracy": 0.3456}
    assert {(r.task_type, r.dataset_type, r.dataset_split) for r in data.eval_results or []} == {
        ("text-generation", "muestra", "test")
    }


def test_the_numbers_are_those_of_this_seed(run: dict[str, Any]) -> None:
    text = model_card(run).text
    assert "| Bits por byte | 1,250 [1,123; 1,500] |" in text
    assert "| Perplejidad por palabra | 12 346 [12 000; 13 000] |" in text
    assert "| Exactitud por token | 34,6 % |" in text
    assert "1 234 567 parámetros" in text
    assert "680 pasos (3,5 épocas, 696 320 tokens) en fp32; los pesos son los del paso 600" in text
    assert "necesita 3,094 bits" in text
    assert "solo cuenta subpalabras, 3,864" in text
    assert "En los 35 artículos de prueba, con intervalos" in text
    assert "Semilla 4, una de 2" in text
    assert "999" not in text
    assert "Comprobación fallida" not in text


def test_the_recipe_is_all_of_the_settings(run: dict[str, Any]) -> None:
    recipe = yaml.safe_load(code_of(model_card(run), "yaml"))
    config, training = read_json(run["description"])["config"], read_json(run["outcome"])["training"]
    assert recipe == {"red": {**config, "training": training}}


def test_a_leaking_model_has_no_results(run: dict[str, Any]) -> None:
    write_json(run["verdict"], {"leaks": True})
    card = model_card(run)
    assert card.data.eval_results is None
    assert "**Este modelo ve el futuro.**" in card.text
    assert "## Resultados" not in card.text
    assert "Fuga: lo que viene después cambia" in card.text
    for number in ("1,250", "12 346", "31,42", "34,6", "31.4159"):
        assert number not in run["output"].read_text(encoding="utf-8")


def test_a_failed_check_is_told_and_gives_the_hub_no_number(run: dict[str, Any]) -> None:
    checks = read_json(run["checks"])["checks"]
    write_json(run["checks"], {"checks": [*checks, {**checks[0], "seed": "4", "detail": "demasiado_bueno"}]})
    card = model_card(run)
    assert card.data.eval_results is None
    assert card.text.count("Comprobación fallida") == 1
    assert "(credible): demasiado\\_bueno" in card.text


def test_names_are_data(run: dict[str, Any]) -> None:
    run["settings"].update(title=AWKWARD, prompt='Dijo: "El\\ agua\n```"')
    run["settings"]["corpus"] = {**CORPUS, "licence": AWKWARD}
    card = model_card(run)
    plain = AWKWARD.replace("\x85", "\n").replace("\n--- \n", "\n---\n")
    assert card.data.model_name == card.data.license_name == plain
    assert card.data.license == "other"
    assert '\n# Mi: "red" \\# 1 \\| \\<b\\>\\*x\\_y\\*\\</b\\> --- \\[z\\] \\`\\$\\` é \U0001f600\n' in card.text
    assert "<b>" not in card.text
    strings = [node.value for node in ast.walk(ast.parse(code_of(card))) if isinstance(node, ast.Constant)]
    assert 'Dijo: "El\\ agua\n```"' in strings
    assert str(run["output"].parent) in strings


def test_words_that_depend_on_the_model(run: dict[str, Any]) -> None:
    assert "arquitectura es la de Qwen3" in model_card(run).text
    saved = read_json(run["description"])
    write_json(
        run["description"], {**saved, "config": {"architecture": "minigpt", "context": 9, "positions": "learned"}}
    )
    run["settings"]["corpus"] = {**CORPUS, "synthetic": True}
    card = model_card(run)
    assert "arquitectura es la de GPT-2;" in card.text
    assert "Los escribió un modelo de lenguaje" in card.text
    assert card.data.tags == ["miniLLM", "synthetic-data"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{{ model.widht }}", "no attribute 'widht'"),
        ("{{ metric('loss') }}", "use |integer"),
        ("{{ metric('bleu9') | decimal(2) }}", "has no bleu9 of red"),
        ("{% if %}", "Expected an expression"),
    ],
)
def test_a_mistake_in_the_template_is_named_with_file_and_line(
    run: dict[str, Any], tmp_path: Path, line: str, message: str
) -> None:
    run["template"] = tmp_path / "card.md"
    run["template"].write_text(f"# {{{{ model.title }}}}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(PaperError) as error:
        write_model_card(**run)
    assert f"{run['template']}:3: " in str(error.value)
    assert message in str(error.value)
    assert not run["output"].exists()


def data_card(selection: Path, output: Path, **more: Any) -> DatasetCard:
    write_data_card(TEMPLATES / "data-card.md", {**CORPUS, **more}, selection, output)
    return DatasetCard.load(output)


def test_the_hub_reads_the_front_matter_of_a_corpus(selection: Path, tmp_path: Path) -> None:
    data = data_card(selection, tmp_path / "README.md").data
    assert (data.language, data.license, data.pretty_name) == ("es", "cc-by-sa-4.0", "muestra")
    assert (data.size_categories, data.task_categories) == ("n<1K", "text-generation")
    assert data.configs == [{"config_name": "default", "data_files": "articles.parquet"}]
    assert data.tags == ["miniLLM"]


def test_the_corpus_is_what_the_selection_says(selection: Path, tmp_path: Path) -> None:
    card = data_card(selection, tmp_path / "corpus" / "README.md")
    assert "10 artículos en texto llano (lengua: es), elegidos entre 1261 páginas" in card.text
    assert "| entrenamiento (`train`) | 7 | 87 957 | 509 265 |" in card.text
    assert "| prueba (`test`) | 1 | 87 957 | 509 265 |" in card.text
    assert "| redirecciones | 1250 |\n| lista | 1 |\n" in card.text
    assert "12 345 en los artículos elegidos" in card.text
    assert "Licencia de los textos: CC BY-SA 4.0. `attribution.csv`" in card.text
    assert f'read_parquet("{tmp_path}/corpus/articles.parquet")' in code_of(card)


@pytest.mark.parametrize(
    ("more", "said", "unsaid"),
    [
        ({"synthetic": True, "source": "wikitext"}, "**Los escribió un modelo de lenguaje**", "sus\nautores"),
        ({"source": "api"}, "de la wiki https://es.wikipedia.org/w/;", "lenguaje**"),
        ({"source": "dump"}, "exportación XML de MediaWiki", "lenguaje**"),
        ({"source": "texts"}, "ficheros de texto llano", "Del wikitexto"),
    ],
)
def test_words_that_depend_on_the_source(
    selection: Path, tmp_path: Path, more: dict[str, Any], said: str, unsaid: str
) -> None:
    card = data_card(selection, tmp_path / "README.md", **more)
    assert said in card.text
    assert unsaid not in card.text
    assert ("synthetic" in card.data.tags) == ("synthetic" in more)


@pytest.mark.parametrize(
    ("licence", "name"),
    [("CC BY-SA 4.0", "cc-by-sa-4.0"), ("CC0 1.0", "cc0-1.0"), ("CC BY  4.0", "cc-by-4.0"), ("todos", "other")],
)
def test_licences_have_the_names_of_the_hub(licence: str, name: str) -> None:
    assert licence_id(licence) == name


@pytest.mark.parametrize(
    ("articles", "name"),
    [
        (3, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (1_900_000, "1M<n<10M"),
        (10**9, "10M<n<100M"),
    ],
)
def test_sizes_have_the_names_of_the_hub(articles: int, name: str) -> None:
    assert size_category(articles) == name


def test_escaped_text_is_printed_as_it_is() -> None:
    from markdown_it import MarkdownIt

    text = "a*b*_c_ <i>&amp; [x](y) `z` ~~w~~ \\ # | $1$"
    assert MarkdownIt().renderInline(escape(text)) == ("a*b*_c_ &lt;i&gt;&amp;amp; [x](y) `z` ~~w~~ \\ # | $1$")
