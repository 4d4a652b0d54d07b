"""The configuration: what is shipped is valid, and what is wrong is said in one line, with its place."""

import copy
import dataclasses
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.utils import update_config

from minillm.files import sha256
from minillm.settings import ConfigError, as_json, load_settings

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = ["config.yaml", "sources.yaml"]
BASE = {key: value for name in SHIPPED for key, value in yaml.safe_load((CONFIG / name).read_text("utf-8")).items()}
OVERLAYS = sorted(path.name for path in CONFIG.glob("*.yaml") if path.name not in SHIPPED)

Change = Callable[[dict[str, Any]], object]


def with_overlay(overlay: dict[str, Any]) -> dict[str, Any]:
    """The base config and an overlay, merged as Snakemake merges config files."""
    merged = copy.deepcopy(BASE)
    update_config(merged, overlay)
    return merged


def at(path: str, value: Any = None) -> Change:
    """A change of one key; None removes it."""
    *parents, last = path.split(".")

    def change(config: dict[str, Any]) -> None:
        for key in parents:
            config = config[int(key)] if isinstance(config, list) else config[key]
        if value is None:
            del config[last]
        else:
            config[last] = value

    return change


def refusal(*changes: Change) -> list[str]:
    """The lines of the message that a changed config is refused with, without the headline."""
    config = copy.deepcopy(BASE)
    for change in changes:
        change(config)
    with pytest.raises(ConfigError) as error:
        load_settings(config)
    message = str(error.value)
    for never in ("Traceback", "type=", "pydantic", "input_value", "https://errors", "validation error"):
        assert never not in message
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    head, *lines = message.split("\n")
    assert head == ("config: 1 problem" if len(lines) == 1 else f"config: {len(lines)} problems")
    return [line.strip() for line in lines]


# What is shipped


def test_the_default_config_is_valid() -> None:
    settings = load_settings(copy.deepcopy(BASE))
    assert settings.run.models[0] == "baseline"
    assert (CONFIG.parent / settings.source_path(settings.run.corpus)).is_dir()


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_is_valid(name: str) -> None:
    config = with_overlay(yaml.safe_load((CONFIG / name).read_text(encoding="utf-8")))
    if config["corpora"][config["run"]["corpus"]]["source"] == "dump":
        with pytest.raises(ConfigError, match="--config dump=PATH"):
            load_settings(config)
        config["dump"] = "pages.xml.bz2"
        assert load_settings(config).source_path(config["run"]["corpus"]) == "pages.xml.bz2"
    settings = load_settings(config)
    assert settings.run.name != BASE["run"]["name"]  # its results lie beside, not over, the default's


def test_validation_leaves_the_config_as_it_was() -> None:
    config = copy.deepcopy(BASE)
    load_settings(config)
    assert config == BASE


# Overlays and copies


def test_an_overlay_changes_one_key_of_one_model() -> None:
    before = load_settings(BASE)
    layers = BASE["models"]["improved"]["layers"] + 3
    after = load_settings(with_overlay({"models": {"improved": {"layers": layers}}}))
    assert before.network("improved")["layers"] == layers - 3
    assert after.network("improved") == {**before.network("improved"), "layers": layers}
    assert after.models["improved"].training == before.models["improved"].training
    assert after.network("baseline") == before.network("baseline")


def test_lists_are_replaced() -> None:
    settings = load_settings(with_overlay({"run": {"models": ["improved"], "seeds": [3, 5]}}))
    assert (settings.run.models, settings.run.seeds) == (["improved"], [3, 5])
    assert settings.run.name == BASE["run"]["name"]


def test_a_copy_follows_its_original_but_for_its_own_keys() -> None:
    overlay = {
        "models": {
            "baseline": {"width": 8, "heads": 2, "training": {"steps": 9, "warmup_steps": 4}},
            "unmasked": {"training": {"batch_size": 3}},
        }
    }
    settings = load_settings(with_overlay(overlay))
    original, copied = settings.models["baseline"], settings.models["unmasked"]
    assert settings.network("baseline")["width"] == 8
    assert settings.network("unmasked") == {**settings.network("baseline"), "causal": False}
    assert (original.title, copied.title) == (BASE["models"]["baseline"]["title"], BASE["models"]["unmasked"]["title"])
    assert original.training.batch_size == BASE["models"]["baseline"]["training"]["batch_size"]
    assert copied.training == dataclasses.replace(original.training, batch_size=3)
    assert (copied.training.steps, copied.training.warmup_steps) == (9, 4)


def test_a_network_is_what_is_built_and_nothing_else() -> None:
    network = load_settings(BASE).network("improved")
    assert network["architecture"] == "qwen"
    assert {"title", "vocabulary", "training", "like"}.isdisjoint(network)
    json.dumps(network)


def test_as_json_is_what_a_stage_reads() -> None:
    settings = load_settings(BASE)
    selection = json.loads(as_json(settings.corpora["encyclopedia"].select))
    assert selection == BASE["corpora"]["encyclopedia"]["select"]
    training = json.loads(as_json(settings.models["improved"].training))
    assert training.items() >= BASE["models"]["improved"]["training"].items()
    assert as_json(["En el año"]) == '["En el año"]'


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(BASE)
    with pytest.raises(ValueError, match="frozen"):
        settings.run.name = "other"  # type: ignore[misc]


# Unknown keys


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("modles", "models"),
        ("run.modles", "models"),
        ("evaluation.continuations.promts", "prompts"),
        ("paper.authors.0.nme", "name"),
        ("corpora.encyclopedia.shrads", "shards"),
        ("corpora.encyclopedia.select.min_charcters", "min_characters"),
        ("vocabularies.bpe.sise", "size"),
        ("models.improved.layrs", "layers"),
        ("models.improved.training.stepz", "steps"),
        ("models.unmasked.casual", "causal"),
    ],
)
def test_an_unknown_key_is_one_line_with_its_path_and_what_was_meant(path: str, meant: str) -> None:
    (line,) = refusal(at(path, 3))
    assert line.startswith(f"{path}: unknown key; did you mean '{meant}'?")


def test_an_unknown_key_of_a_model_is_told_of_its_copies_too() -> None:
    lines = refusal(at("models.baseline.training.learning_rat", 3))
    assert [line.partition(";")[0] for line in lines] == [
        "models.baseline.training.learning_rat: unknown key",
        "models.unmasked.training.learning_rat: unknown key",
    ]


def test_an_unknown_key_like_no_other_lists_the_known() -> None:
    (line,) = refusal(at("run.zzz", 1))
    assert line == "run.zzz: unknown key (known: corpus, models, name, seeds, studies)"


def test_every_bad_key_is_named_at_once() -> None:
    lines = refusal(at("modles", 3), at("run.seeds", "one"), at("paper.title"), at("evaluation.threads", 0))
    assert [line.partition(":")[0] for line in lines] == ["evaluation.threads", "modles", "paper.title", "run.seeds"]


# Wrong and missing values


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("run.models", "baseline", "run.models: should be a valid list; found 'baseline'"),
        ("run.seeds", ["one"], "run.seeds.0: should be a valid integer"),
        (
            "corpora.encyclopedia.source",
            "wiki",
            "corpora.encyclopedia.source: should be 'dump', 'wikitext', 'texts', 'api', 'lines', 'book' or "
            "'phrase'; found",
        ),
        ("corpora.encyclopedia.select", "all", "corpora.encyclopedia.select: should be a dictionary"),
        (
            "corpora.encyclopedia.select.min_characters",
            "many",
            "corpora.encyclopedia.select.min_characters: should be a ",
        ),
        (
            "corpora.encyclopedia.shards",
            0,
            "corpora.encyclopedia.shards: should be greater than or equal to 1; found 0",
        ),
        ("vocabularies.bpe.size", 259, "vocabularies.bpe.size: should be greater than or equal to 260; found 259"),
        (
            "evaluation.generation.temperature",
            0,
            "evaluation.generation.temperature: should be greater than 0; found 0",
        ),
        (
            "evaluation.device",
            "gpu",
            "evaluation.device: should be 'auto', 'cpu', 'cuda' or 'mps'; found 'gpu'",
        ),
        (
            "models.improved.training.steps",
            0,
            "models.improved.training.steps: should be greater than or equal to 1; found 0",
        ),
        ("models.improved.context", 1, "models.improved.context: should be greater than or equal to 2; found 1"),
        ("paper.strict", "perhaps", "paper.strict: should be a valid boolean"),
        ("models.improved.layers", "many", "models.improved.layers: should be a valid integer"),
        (
            "models.improved.training.optimizer",
            "sgd",
            "models.improved.training.optimizer: should be 'adamw' or 'muon'; ",
        ),
        ("models.improved.causal", False, "models.improved.causal: should be True; found False"),
        ("models.improved", 7, "models.improved: should be a valid dictionary"),
    ],
)
def test_a_wrong_value_says_what_is_allowed_and_found(path: str, value: Any, expected: str) -> None:
    (line,) = refusal(at(path, value))
    assert line.startswith(expected)
    assert line.endswith(f"found {value[0]!r}" if isinstance(value, list) else f"found {value!r}")


@pytest.mark.parametrize(
    "path",
    [
        *("paper", "run.name", "corpora.encyclopedia.licence", "evaluation.generation.prompts"),
        *("models.improved.vocabulary", "models.improved.training", "models.improved.training.steps"),
    ],
)
def test_a_missing_key_is_named(path: str) -> None:
    assert refusal(at(path)) == [f"{path}: missing"]


def test_an_unknown_or_missing_architecture() -> None:
    path = "models.improved.architecture"
    assert refusal(at(path, "quen")) == [f"{path}: should be one of 'minigpt', 'qwen'; found 'quen'"]
    (line,) = refusal(at(path))
    assert line.startswith(f"{path}: ")
    assert "'minigpt', 'qwen'" in line


MINE = {"title": "Mío", "pretrained": "models/mio"}
OTHER = {
    "title": "Otra",
    "module": "redes/mia.py:Red",
    "options": {"width": 8},
    "context": 32,
    "vocabulary": "bpe",
    "training": {"steps": 3},
}


def test_models_of_others() -> None:
    config = with_overlay(
        {"models": {"mine": MINE, "other": OTHER, "small": {"like": "other", "options": {"depth": 2}}}}
    )
    settings = load_settings(config)
    assert list(settings.pretrained()) == ["mine"]
    assert (settings.vocabulary_of("mine"), settings.vocabulary_of("other")) == ("mine", "bpe")
    own = {"words": "palabras", "bpe": "subpalabras", "characters": "caracteres"}
    assert settings.vocabulary_titles() == {**own, "mine": "piezas de Mío"}
    assert settings.network("small") == {
        "architecture": "module",
        "module": "redes/mia.py:Red",
        "options": {"width": 8, "depth": 2},
        "context": 32,
        "causal": True,
    }


@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        ("mine", {**MINE, "contxt": 9}, "models.mine.contxt: unknown key; did you mean 'context'?"),
        ("mine", {**MINE, "vocabulary": "bpe"}, "models.mine.vocabulary: unknown key"),
        ("mine", {**MINE, "context": 1}, "models.mine.context: should be greater than or equal to 2; found 1"),
        ("mine", {"pretrained": "gpt2"}, "models.mine.title: missing"),
        ("bpe", MINE, "models.bpe: it brings its own vocabulary, and bpe is one of vocabularies; rename one of them"),
        ("other", {**OTHER, "layers": 2}, "models.other.layers: unknown key"),
        ("other", {**OTHER, "module": "redes/mia.py"}, "models.other.module: should match pattern"),
        ("other", {**OTHER, "vocabulary": "bpo"}, "models.other.vocabulary: 'bpo' is not defined; did you mean 'bpe'?"),
        ("other", {**OTHER, "pretrained": "x"}, "models.other: module and pretrained exclude each other; give one"),
        ("other", {"title": "Nada"}, "models.other.architecture: should be one of 'minigpt', 'qwen'; found None; or"),
    ],
)
def test_what_is_wrong_with_a_model_of_others(name: str, model: dict[str, Any], expected: str) -> None:
    (line,) = refusal(lambda config: config["models"].update({name: model}))
    assert line.startswith(expected)


@pytest.mark.parametrize(
    "change",
    [
        at("run.name", "Mi run"),
        at("run.models", []),
        lambda config: config["corpora"].update(Foo=config["corpora"]["encyclopedia"]),
    ],
)
def test_a_line_reads_as_a_sentence(change: Change) -> None:
    (line,) = refusal(change)
    assert line.count("should") == 1
    assert "[key]" not in line


@pytest.mark.parametrize(
    "change",
    [
        at("models", []),
        lambda config: config.update(models=None),  # «models:» with everything under it commented out
        at("models.unmasked.like", ["baseline"]),
        at("models.improved.heads", 0),
    ],
)
def test_no_config_ends_with_a_traceback(change: Change) -> None:
    assert refusal(change)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("models.improved.layers", 0),
        ("models.improved.layers", -1),
        ("models.improved.context", 0),
        ("models.improved.context", 1),
        ("models.baseline.context", 1),
        ("models.improved.dropout", 1.5),
        ("models.improved.training.steps", -5),
        ("models.improved.training.steps", 0),
        ("models.improved.training.batch_size", 0),
        ("models.improved.training.learning_rate", float("nan")),
        ("models.improved.width", 36),  # heads of 9, and rotary positions need an even size
        ("corpora.encyclopedia.select.shares", {"train": 1.7, "validation": -0.4, "test": -0.3}),
        ("run.seeds", [-1]),
    ],
)
def test_impossible_numbers_are_refused(path: str, value: Any) -> None:
    assert refusal(at(path, value))


# Downloads

WIKI = {"source": "api", "wiki": "https://es.wikipedia.org/w/"}


@pytest.mark.parametrize(
    ("corpus", "expected"),
    [
        ({"source": "api"}, "corpora.encyclopedia.wiki: missing; give the folder of api.php"),
        ({**WIKI, "wiki": "es.wikipedia.org"}, "corpora.encyclopedia.wiki: 'es.wikipedia.org' is no address of a wiki"),
        (
            {**WIKI, "wiki": "http://es.wikipedia.org/w/"},
            "corpora.encyclopedia.wiki: 'http://es.wikipedia.org/w/' is not",
        ),
        (
            {**WIKI, "fetch": {"category": "Astronomía", "lock": "corpus.lock.csv"}},
            "corpora.encyclopedia.fetch: category and lock exclude each other; give one of them",
        ),
        (
            {**WIKI, "fetch": {"articles": 0}},
            "corpora.encyclopedia.fetch.articles: should be greater than or equal to 1",
        ),
        ({**WIKI, "fetch": {"depth": -1}}, "corpora.encyclopedia.fetch.depth: should be greater than or equal to 0"),
        ({**WIKI, "fetch": {"title": "x"}}, "corpora.encyclopedia.fetch.title: unknown key; did you mean 'titles'?"),
    ],
)
def test_what_is_wrong_with_a_download_is_said(corpus: dict[str, Any], expected: str) -> None:
    (line,) = refusal(lambda config: config["corpora"]["encyclopedia"].update(corpus))
    assert line.startswith(expected)


def test_a_contact_is_an_address_and_a_download_reads_no_dump() -> None:
    def downloaded(config: dict[str, Any]) -> None:
        config["corpora"]["encyclopedia"].update(WIKI)

    assert refusal(downloaded, at("contact", "Ana")) == [
        "contact: 'Ana' is no contact: give an e-mail address or the address of a web page"
    ]
    assert refusal(downloaded, at("dump", "pages.xml")) == [
        "dump: the corpus encyclopedia is downloaded, and reads no dump"
    ]


# Names and sums


def test_an_unknown_model_in_the_run() -> None:
    assert refusal(at("run.models", ["baseline", "imprved"])) == [
        "run.models: 'imprved' is not defined; did you mean 'improved'? (known: baseline, hello_world, "
        "hello_world_unmasked, improved, proverbs, shakespeare, unmasked)"
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("run.models", ["baseline", "improved", "baseline"]),
        ("run.models", ["improved", "improved"]),
        ("run.seeds", [1, 2, 1]),
        ("run.seeds", [7, 7]),
    ],
)
def test_nothing_is_run_twice(path: str, value: list[Any]) -> None:
    """Two runs of one seed would count as two in the interval over seeds."""
    assert refusal(at(path, value)) == [f"{path}: {value} names one twice"]


def test_both_lists_are_told_at_once() -> None:
    assert len(refusal(at("run.models", ["baseline"] * 2), at("run.seeds", [3, 3]))) == 2


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "mps"])
def test_the_device_of_the_evaluation(device: str) -> None:
    assert load_settings(with_overlay({"evaluation": {"device": device}})).evaluation.device == device
    config = copy.deepcopy(BASE)
    config["evaluation"].pop("device", None)
    assert load_settings(config).evaluation.device == "auto"


def test_an_unknown_corpus_or_vocabulary() -> None:
    (line,) = refusal(at("run.corpus", "enciclopedia"))
    assert line.startswith("run.corpus: 'enciclopedia' is not defined; did you mean 'encyclopedia'?")
    (line,) = refusal(at("models.improved.vocabulary", "bpee"))
    assert line.startswith("models.improved.vocabulary: 'bpee' is not defined; did you mean 'bpe'?")


@pytest.mark.parametrize("name", ["basline", "unmasked", ""])
def test_a_copy_of_what_is_no_model(name: str) -> None:
    change = at("models.unmasked.like", name)
    known = "baseline, improved, hello_world, proverbs, shakespeare"
    assert refusal(change) == [f"models.unmasked.like: {name!r} is not one of {known}"]


def test_a_date_is_a_title() -> None:
    config = copy.deepcopy(BASE)
    config["paper"]["title"] = datetime.date(2026, 1, 1)  # «title: 2026-01-01» is a date in YAML
    assert load_settings(config).paper.title == "2026-01-01"


def test_width_is_a_multiple_of_heads() -> None:
    assert refusal(at("models.improved.width", 256), at("models.improved.heads", 3)) == [
        "models.improved: width 256 cannot be divided by heads 3 into heads of an even size"
    ]


@pytest.mark.parametrize(
    "shares",
    [
        {"train": 0.7, "validation": 0.2, "test": 0.15},
        {"train": 0.7, "validation": 0.15, "test": 0.149},
        {"train": 0.7, "validation": 0.3},
        {"train": 0.7, "valid": 0.15, "test": 0.15},
        {"train": 0.7, "validation": 0.15, "test": 0.15, "dev": 0.1},
        {},
    ],
)
def test_shares_sum_to_one(shares: dict[str, float]) -> None:
    (line,) = refusal(at("corpora.encyclopedia.select.shares", shares))
    assert line == "corpora.encyclopedia.select.shares: train, validation and test must sum to 1"


def test_shares_that_sum_to_one_but_for_rounding() -> None:
    shares = {"train": 0.7, "validation": 0.2, "test": 0.1}
    assert sum(shares.values()) != 1.0  # 0.9999999999999999
    config = with_overlay({"corpora": {"encyclopedia": {"select": {"shares": shares}}}})
    assert load_settings(config).corpora["encyclopedia"].select.shares == shares


def test_every_bad_name_is_told_at_once() -> None:
    assert len(refusal(at("run.corpus", "x"), at("run.models", ["imprved"]))) == 2


def test_where_a_corpus_is_read_from() -> None:
    assert refusal(at("corpora.encyclopedia.path")) == [
        "corpora.encyclopedia.path: missing; give it here or with --config dump=PATH"
    ]
    config = with_overlay({"dump": "x.xml"})
    config["corpora"]["other"] = {**config["corpora"]["encyclopedia"], "path": "y"}
    settings = load_settings(config)
    assert settings.source_path("encyclopedia") == "x.xml"
    assert settings.source_path("other") == "y"  # --config dump is of the run's corpus


# Data sets


def test_a_corpus_is_read_from_a_data_set() -> None:
    config = copy.deepcopy(BASE)
    del config["corpora"]["encyclopedia"]["path"]
    config["corpora"]["encyclopedia"]["dataset"] = "tiny_shakespeare"
    settings = load_settings(config)
    assert settings.source_path("encyclopedia") == "data/downloads/tiny_shakespeare/input.txt"
    assert load_settings({**config, "dump": "x.xml"}).source_path("encyclopedia") == "x.xml"


def test_a_data_set_that_is_not_in_the_registry() -> None:
    change = at("corpora.encyclopedia.dataset", "tiny_shakespear")
    assert refusal(at("corpora.encyclopedia.path"), change) == [
        "corpora.encyclopedia.dataset: 'tiny_shakespear' is not defined; did you mean 'tiny_shakespeare'? "
        "(known: tiny_shakespeare)"
    ]
    assert refusal(at("corpora.encyclopedia.dataset", "tiny_shakespeare")) == [
        "corpora.encyclopedia: path and dataset exclude each other; give one of them"
    ]


def test_a_corpus_does_not_take_a_folder_of_the_project() -> None:
    mine = {"source": "texts", "path": "mine", "licence": "CC0 1.0"}
    for name in ("sample", "downloads"):
        assert refusal(at(f"corpora.{name}", mine)) == [
            f"corpora.{name}: data/{name}/ is the project's own; give the corpus another name"
        ]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("sha256", None, "missing"),
        ("sha256", "86C4" + "0" * 60, "should match pattern"),
        ("sha256", "0" * 40, "should match pattern"),
        ("url", "file:///etc/passwd", "should match pattern"),
        ("url", "https://example.org/", "should match pattern"),
        ("url", "https://example.org/..", "should match pattern"),
        ("url", "https://example.org/a.txt?b", "should match pattern"),
        ("version", 2015, "should be a valid string"),
        ("sha1", "0" * 40, "unknown key; did you mean 'sha256'?"),
    ],
)
def test_an_entry_of_the_registry_is_checked(key: str, value: Any, said: str) -> None:
    (line,) = refusal(at(f"datasets.tiny_shakespeare.{key}", value))
    assert line.startswith(f"datasets.tiny_shakespeare.{key}: {said}")


@pytest.mark.shared
def test_the_sum_of_tiny_shakespeare() -> None:
    path = CONFIG.parent.parent / "shared/data/tinyshakespeare/input.txt"
    if not path.exists():
        pytest.skip("the file is not in ../shared")
    assert sha256(path) == BASE["datasets"]["tiny_shakespeare"]["sha256"]


# Studies


def test_what_is_measured_depends_on_the_corpus() -> None:
    settings = load_settings(with_overlay({}))
    assert settings.measured("encyclopedia") is settings.evaluation
    assert settings.measured("proverbs") is settings.studies.proverbs
    assert list(settings.text_studies()) == ["hello_world", "proverbs", "shakespeare"]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("run.studies", ["proverb"], "run.studies.0: should be 'hello_world', 'proverbs'"),
        ("run.corpus", "proverbs", "run.corpus: proverbs is neither cleaned nor selected and is for a study only"),
        ("studies.proverbs.corpus", "refranes", "studies.proverbs.corpus: 'refranes' is not defined"),
        ("studies.proverbs.corpus", "encyclopedia", "studies.proverbs.corpus: encyclopedia has the source wikitext"),
        (
            "studies.proverbs.corpus",
            "hello_world",
            "studies.proverbs.corpus: hello_world is that of studies.hello_world",
        ),
        ("studies.proverbs.models", ["proverb"], "studies.proverbs.models: 'proverb' is not defined; did you mean"),
        ("studies.proverbs.models", ["improved"], "studies.proverbs.models: improved must be a model of its own"),
        (
            "studies.proverbs.models",
            ["proverbs", "shakespeare"],
            "studies.proverbs.models: ['proverbs', 'shakespeare'] are",
        ),
        (
            "models.proverbs.vocabulary",
            "bpe",
            "models.proverbs.vocabulary: a study takes a vocabulary of kind characters",
        ),
        ("run.studies", ["inside", "inside"], "run.studies: ['inside', 'inside'] names one twice"),
        ("studies.inside.temperatures", [0, 0], "studies.inside.temperatures: [0.0, 0.0] names one twice"),
        ("studies.proverbs.generation.prompts", [""], "studies.proverbs.generation.prompts.0: should match pattern"),
        ("models.proverbs.training.patience", 3, "models.proverbs: its weights are drawn by epoch, which takes"),
        ("models.proverbs.training.snapshots", False, "models.proverbs: its weights are drawn by epoch"),
        (
            "corpora.proverbs.path",
            None,
            "corpora.proverbs.path: missing; give the text file or, in its place, a dataset",
        ),
        ("corpora.hello_world.phrase", " ", "corpora.hello_world.phrase: missing; give the words to repeat"),
        ("studies.inside.prompt", " ", "studies.inside.prompt: should match pattern"),
        ("studies.inside.temperatures", [-1], "studies.inside.temperatures.0: should be greater than or equal to 0"),
        (
            "models.proverbs.training.snapshots",
            "maybe",
            "models.proverbs.training.snapshots: should be a valid boolean",
        ),
    ],
)
def test_a_study_that_cannot_be_made_is_refused(path: str, value: Any, expected: str) -> None:
    assert any(line.startswith(expected) for line in refusal(at(path, value)))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("pretrained", "unmasked", "pretrained: unmasked will not do (causal: false cannot be exported"),
        ("data", ["a.csv", "b"], "data: two of them must be .csv files, train and test; found ['a.csv', 'b']"),
        ("data", [], "data: should have at least 1 item"),
        ("seeds", [3, 3], "seeds: [3, 3] names one twice"),
        ("training.micro_batches", 3, "training.micro_batches: batch_size 16 cannot be divided by 3"),
        ("training.epoch", 3, "training.epoch: unknown key; did you mean 'epochs'?"),
        ("training.keep", "f1", "training.keep: should be 'loss' or 'macro_f1'; found 'f1'"),
        ("lora", {"rank": 0}, "lora.rank: should be greater than or equal to 1; found 0"),
    ],
)
def test_a_sentiment_study_that_cannot_be_made_is_refused(key: str, value: Any, expected: str) -> None:
    (line,) = refusal(at(f"studies.sentiment.{key}", value))
    assert line.startswith(f"studies.sentiment.{expected}")
