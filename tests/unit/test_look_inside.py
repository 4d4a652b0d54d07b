"""What is read inside a model, against the same worked out by hand: attention, positions, projections, parameters."""

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TEXTS

from minillm.evaluation.generation import generate
from minillm.evaluation.record import Record, read_records, write_records
from minillm.files import read_json, write_json
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, ModuleConfig, QwenConfig
from minillm.paper.latex import Quantity, environment
from minillm.studies.architecture import describe
from minillm.studies.attention_maps import attention_to_first, attention_weights
from minillm.studies.look_inside import look_inside, position_table
from minillm.studies.projection import frequent_tokens, project
from minillm.studies.summarise_inside import summarise_inside
from minillm.studies.temperatures import Written, at_each_temperature, distinct_words
from minillm.training.saved import save_model
from minillm.vocabulary.encode_split import encode_split
from minillm.vocabulary.tokenizer import Specials, decode, encode, load_tokenizer, train_tokenizer

SHAPE = {"layers": 2, "width": 16, "heads": 2, "feed_forward": 24, "context": 12, "dropout": 0.0}
IDS = [2, 5, 9, 4, 11, 7]
FILES = ["positions.npy", "attention.csv", "embeddings.csv", "architecture.json", "facts.json", "records.json"]


def tiny(architecture: str = "minigpt", vocabulary: int = 24, **changes: Any) -> Any:
    """A model with random weights, large enough that attention is not even."""
    shape = SHAPE | changes
    config = MiniGPTConfig(**shape) if architecture == "minigpt" else QwenConfig(architecture="qwen", **shape)
    torch.manual_seed(5)
    model = build_model(config, vocabulary).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def weights_by_hand(queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Row by row, each over the keys up to its own place."""
    table = np.zeros((len(queries), len(queries)))
    for row, query in enumerate(queries):
        table[row, : row + 1] = softmax(keys[: row + 1] @ query / math.sqrt(len(query)))
    return table


@pytest.mark.parametrize("architecture", ["minigpt", "qwen"])
def test_attention_rows_are_shares_of_what_was_read(architecture: str) -> None:
    weights = attention_weights(tiny(architecture), IDS)
    assert weights.shape == (2, 2, 6, 6)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert (weights[..., np.triu(np.ones((6, 6), dtype=bool), 1)] == 0).all()
    assert weights[..., 5, :].std() > 0.05, "the toy attends evenly, and shows little"


def test_attention_of_minigpt_from_queries_and_keys() -> None:
    """The first layer's second head, from the weights alone."""
    model = tiny()
    state = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    x = state["embedding.weight"][IDS] * 4 + np.array([[sine_or_cosine(t, d, 16) for d in range(16)] for t in range(6)])
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    x = x * state["blocks.0.attention_norm.weight"] + state["blocks.0.attention_norm.bias"]
    qkv = x @ state["blocks.0.attention.query_key_value.weight"].T + state["blocks.0.attention.query_key_value.bias"]
    np.testing.assert_allclose(
        attention_weights(model, IDS)[0, 1], weights_by_hand(qkv[:, 8:16], qkv[:, 24:32]), atol=1e-5
    )


def test_attention_of_qwen_from_queries_and_keys() -> None:
    """Rotations as products of complex numbers."""
    model = tiny("qwen")
    state = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * state[f"{name}.weight"]

    def turned(x: np.ndarray) -> np.ndarray:
        angles = np.arange(6)[:, None] * 10_000.0 ** -(np.arange(4) / 4)
        pairs = (x[:, :4] + 1j * x[:, 4:]) * np.exp(1j * angles)
        return np.concatenate((pairs.real, pairs.imag), axis=1)

    x = norm(state["embedding.weight"][IDS], "blocks.0.attention_norm")
    query, key = (
        turned(norm((x @ state[f"blocks.0.attention.{name}.weight"].T)[:, 8:], f"blocks.0.attention.{name}_norm"))
        for name in ("query", "key")
    )
    np.testing.assert_allclose(attention_weights(model, IDS)[0, 1], weights_by_hand(query, key), atol=1e-5)


def test_even_attention_gives_the_first_token_an_even_share() -> None:
    """With queries of zero every position attends evenly; the texts count by their positions."""
    model = tiny()
    with torch.no_grad():
        for block in model.blocks:
            block.attention.query_key_value.weight[:16] = 0
            block.attention.query_key_value.bias[:16] = 0
    sums = attention_to_first(model, [IDS[:3], IDS[:2], IDS[:1]])
    np.testing.assert_allclose(sums["even"], [1 / 2 + 1 / 3, 1 / 2, 0])
    np.testing.assert_allclose(sums["first"], sums["even"], atol=1e-6)
    assert sums["positions"].tolist() == [2, 1, 0]


def test_attention_to_the_first_is_the_mean_over_layers_and_heads() -> None:
    model = tiny("qwen")
    weights = attention_weights(model, IDS)
    by_hand = sum(weights[layer, head, t, 0] for layer in (0, 1) for head in (0, 1) for t in range(1, 6)) / 4
    assert attention_to_first(model, [IDS])["first"] == pytest.approx([by_hand], rel=1e-6)


def sine_or_cosine(position: int, dimension: int, width: int) -> float:
    angle = position / 10_000 ** (dimension // 2 * 2 / width)
    return math.cos(angle) if dimension % 2 else math.sin(angle)


def test_positions_are_the_formulas() -> None:
    expected = [[sine_or_cosine(t, d, 16) for d in range(16)] for t in range(12)]
    np.testing.assert_allclose(position_table(tiny()), expected, atol=1e-6)
    turned = [[math.cos(t / 500 ** (2 * pair / 8)) for pair in range(4)] for t in range(12)]
    np.testing.assert_allclose(position_table(tiny("qwen", rope_theta=500.0)), turned, atol=1e-6)
    learned = tiny(positions="learned")
    np.testing.assert_array_equal(position_table(learned), learned.positions_TD.detach().numpy())


@pytest.mark.parametrize(("kind", "size"), [("words", 40), ("bpe", 400)])
def test_whole_words_are_counted_as_such(kind: str, size: int) -> None:
    """As often as they stand between a space and what is no letter, whatever pieces the other words are in."""
    tokenizer = train_tokenizer(TEXTS["train"], kind, size)
    texts = [*TEXTS["train"], "La laguna está en la estepa y el ella es enorme."]  # « la» and « en» begin other words
    tokens = np.array([id_ for text in texts for id_ in (2, *encode(tokenizer, text), 3)])
    found = frequent_tokens(tokenizer, tokens, Specials().ids, 12)
    assert found.whole_words
    assert len(found.ids) == 12
    shown = [decode(tokenizer, [id_]) for id_ in found.ids]
    occurring = Counter(word for text in texts for word in re.findall(r" [^\W\d_]+", text))
    assert found.counts == [occurring[word] for word in shown]
    assert all(first >= second for first, second in pairwise(found.counts))
    of_tokens = Counter(tokens.tolist())
    in_pieces = [word for id_, word, n in zip(found.ids, shown, found.counts, strict=True) if of_tokens[id_] > n]
    assert (" la" in in_pieces) == (kind == "bpe"), "a word that begins another one is not told from it"


def test_a_vocabulary_of_characters_is_shown_by_its_characters() -> None:
    tokenizer = train_tokenizer(TEXTS["train"], "characters", 60)
    ids = [2, *encode(tokenizer, TEXTS["train"][0]), 3]
    found = frequent_tokens(tokenizer, np.array(ids), Specials().ids, 5)
    assert not found.whole_words
    expected = Counter(TEXTS["train"][0])
    assert found.counts == [n for _, n in expected.most_common(5)]
    assert all(expected[decode(tokenizer, [id_])] == n for id_, n in zip(found.ids, found.counts, strict=True))


def test_principal_components_are_those_of_an_svd() -> None:
    vectors = np.random.default_rng(3).normal(size=(40, 6)) * [5, 1, 3, 0.5, 0.1, 2]
    plane = project(vectors)
    centred = vectors - vectors.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(plane.pca), np.abs(left[:, :2] * values[:2]), atol=1e-9)
    assert plane.explained == pytest.approx((values[:2] ** 2).sum() / (centred**2).sum())


def test_neighbours_stay_neighbours() -> None:
    """Three clouds far apart: the nearest point in the plane is one of the same cloud."""
    random = np.random.default_rng(4)
    vectors = np.concatenate([random.normal(size=(15, 8)) + 40 * np.eye(8)[cloud] for cloud in range(3)])
    plane = project(vectors).tsne
    distances = np.linalg.norm(plane[:, None] - plane[None], axis=-1) + np.diag(np.full(45, np.inf))
    assert (distances.argmin(1) // 15 == np.arange(45) // 15).all()
    np.testing.assert_array_equal(project(vectors).tsne, plane)


MADE = {
    "minigpt": {},
    "learned": {"positions": "learned"},
    "after": {"norm": "after", "activation": "relu"},
    "qwen": {},
}


@pytest.mark.parametrize("name", MADE)
def test_the_parts_add_up(name: str) -> None:
    model = tiny("qwen" if name == "qwen" else "minigpt", **MADE[name])
    made_of = describe(model)
    tensors = set(model.parameters())  # a tied one is one
    assert made_of["parameters"] == sum(tensor.numel() for tensor in tensors)
    assert sum(part["parameters"] for part in made_of["parts"]) == made_of["parameters"]
    for part in made_of["parts"]:
        assert part["parameters"] == sum(math.prod(tensor["shape"]) for tensor in part["shapes"])
    names = [part["name"] for part in made_of["parts"]]
    block = ["attention_norm", "attention", "feed_forward_norm", "feed_forward"]
    blocks = [f"blocks.{number}.{part}" for number in (0, 1) for part in block]
    assert (
        names
        == {
            "minigpt": ["embedding", *blocks, "norm", "head"],
            "learned": ["positions_TD", "embedding", *blocks, "norm", "head"],
            "after": ["embedding", *blocks, "head"],
            "qwen": ["embedding", *blocks, "norm"],
        }[name]
    )
    assert made_of["tied"] == (name == "qwen")


def test_shapes_and_counts_of_parts() -> None:
    parts = {part["name"]: part for part in describe(tiny())["parts"]}
    assert parts["blocks.1.attention"]["parameters"] == 16 * 48 + 48 + 16 * 16 + 16
    assert [tensor["shape"] for tensor in parts["blocks.0.feed_forward"]["shapes"]] == [[24, 16], [24], [16, 24], [16]]
    qwen = {part["name"]: part for part in describe(tiny("qwen"))["parts"]}
    assert qwen["blocks.0.attention"]["parameters"] == 4 * 16 * 16 + 2 * 8
    assert qwen["embedding"]["parameters"] == 24 * 16


def test_a_parameter_that_no_part_has_is_noticed() -> None:
    model = tiny()
    model.blocks[1].gain = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(AssertionError, match="parameters"):
        describe(model)


@pytest.mark.parametrize("architecture", ["minigpt", "qwen"])
def test_greedy_text_depends_on_no_seed(toy_corpus: Path, architecture: str) -> None:
    tokenizer = load_tokenizer(toy_corpus / "words.json")
    model = tiny(architecture)
    prompt = "La villa"

    def texts(seeds: list[int]) -> list[Written]:
        return at_each_temperature(model, tokenizer, prompt, [0, 1.0], seeds, 9)

    first, other = texts([1, 2, 3]), texts([7, 8])
    assert [(one.temperature, one.seed) for one in first] == [(0, None), (1, 1), (1, 2), (1, 3)]
    assert first[0] == other[0]
    assert first[0].text == decode(tokenizer, generate(model, [encode(tokenizer, prompt)], 9)[0])
    assert other[1].text == decode(tokenizer, generate(model, [encode(tokenizer, prompt)], 9, 1.0, 7)[0])
    assert len({one.text for one in first}) > 2


def test_the_share_of_distinct_words() -> None:
    texts = [Written(0.5, 1, "a b a b"), Written(0.5, 2, "a b c"), Written(0.5, 3, "  "), Written(1.0, 1, "")]
    assert distinct_words(texts, 0.5) == (0.75, 2)
    assert distinct_words(texts, 1.0) is None


@pytest.fixture
def inside(toy_corpus: Path, tmp_path: Path) -> Callable[..., Path]:
    """Looks into a tiny model; the folder with what was found."""

    def run(output: str, architecture: str = "minigpt", vocabulary: str = "words") -> Path:
        tokenizer = toy_corpus / f"{vocabulary}.json"
        encode_split(toy_corpus / "articles.parquet", tokenizer, "train", tmp_path / "t.npy", tmp_path / "o.npy")
        model = tiny(architecture, len(load_tokenizer(tokenizer).get_vocab()))
        saved = tmp_path / "model.safetensors", tmp_path / "config.json"
        save_model(*saved, model.config, model.embedding.num_embeddings, model.state_dict(), tokenizer)
        folder = tmp_path / output
        look_inside(
            *saved,
            tokenizer,
            tmp_path / "t.npy",
            toy_corpus / "articles.parquet",
            "tiny",
            "4",
            "La sierra es",
            [0.0, 0.5, 1.5],
            [1, 2],
            6,
            15,
            *(folder / name for name in FILES),
        )
        return folder

    return run


@pytest.mark.parametrize(("architecture", "vocabulary"), [("minigpt", "words"), ("qwen", "bpe")])
def test_the_stage(inside: Callable[..., Path], architecture: str, vocabulary: str) -> None:
    first, second = (inside(name, architecture, vocabulary) for name in ("one", "two"))
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    with (first / "attention.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = list(dict.fromkeys(row["token"] for row in rows))
    assert names[0] == "[BOS]"
    assert "".join(names[1:]) == "La␣sierra␣es"
    places = sorted({int(row["position"]) for row in rows})
    assert len(rows) == 2 * 2 * len(places) ** 2
    assert {row["layer"] for row in rows} == {row["head"] for row in rows} == {"1", "2"}
    last = [float(row["weight"]) for row in rows if [row["layer"], row["head"], row["position"]] == ["2", "1", "3"]]
    assert sum(last) == pytest.approx(1, abs=1e-6)
    assert all(float(row["weight"]) == 0 for row in rows if int(row["attended"]) > int(row["position"]))
    with (first / "embeddings.csv").open(encoding="utf-8", newline="") as stream:
        words = list(csv.DictReader(stream))
    assert len(words) == 15
    facts = read_json(first / "facts.json")
    assert facts["whole_words"] == (vocabulary == "words")  # the small one of pieces has hardly a word
    if vocabulary == "words":
        assert {word["token"]: int(word["count"]) for word in words}["la"] == 6
        assert all(word["token"].isalpha() for word in words)
    records = {record.metric: record for record in read_records(first / "records.json")}
    assert {record.model for record in records.values()} == {"inside-tiny"}
    assert {record.seed for record in records.values()} == {"4"}
    assert 0 < records["attention_first"].value < 1
    assert records["attention_first"].n == 3
    assert 0 < records["embedding_pca"].value <= 1
    assert [(text["temperature"], text["seed"]) for text in facts["texts"]] == [
        (0, None), (0.5, 1), (0.5, 2), (1.5, 1), (1.5, 2)]  # fmt: skip
    assert facts["positions"] == {"minigpt": "sinusoidal", "qwen": "rotary"}[architecture]
    assert np.load(first / "positions.npy").shape == (12, {"minigpt": 16, "qwen": 4}[architecture])


def test_a_model_of_another_family_is_refused(toy_corpus: Path, tmp_path: Path) -> None:
    net = tmp_path / "net.py"
    net.write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, size):\n"
        "        super().__init__()\n"
        "        self.table = nn.Embedding(size, size)\n"
        "    def forward(self, ids):\n"
        "        return self.table(ids)\n"
    )
    config = ModuleConfig(module=f"{net}:Net", context=8)
    saved = tmp_path / "model.safetensors", tmp_path / "config.json"
    save_model(*saved, config, 24, build_model(config, 24).state_dict())
    nowhere = tmp_path / "nothing"
    with pytest.raises(ValueError, match=r"config\.json: only models of the families minigpt and qwen"):
        look_inside(
            *saved, toy_corpus / "words.json", nowhere, nowhere, "net", "1", "a", [0], [1], 2, 10, *[nowhere] * 6
        )
    assert not nowhere.exists()


def test_the_study_of_several_models(tmp_path: Path) -> None:
    """In the order of the titles, with Spanish numbers for the article and a table for people."""
    titles = {"una": "Una", "otra": "Otra"}
    for name in titles:
        text = {"temperature": 0.5, "seed": 3, "text": f" escribe\n\x1b{name}"}
        greedy = {"temperature": 0.0, "seed": None, "text": " siempre"}
        write_json(tmp_path / name / "facts.json", {"prompt": "Ayer", "texts": [greedy, text], "words": 9})
        write_records(tmp_path / name / "records.json", [Record(metric="m", value=1, unit="", model=name, corpus="c")])
    output, study, texts = (tmp_path / name for name in ("records.json", "study.json", "temperatures.txt"))
    paths = {kind: [tmp_path / name / f"{kind}.json" for name in ("otra", "una")] for kind in ("records", "facts")}
    summarise_inside(paths["records"], paths["facts"], titles, output, study, texts)
    assert [record.model for record in read_records(output)] == ["otra", "una"]
    found = json.loads(study.read_text("utf-8"))
    assert [model["title"] for model in found["models"]] == ["Una", "Otra"]
    assert found["temperatures"] == [{"name": "0", "printed": "0"}, {"name": "0.5", "printed": "0,5"}]
    assert found["models"][1]["texts"] == [
        {"temperature": "0", "seed": "–", "text": " siempre"},
        {"temperature": "0,5", "seed": "3", "text": " escribe\n\x1botra"},
    ]
    lines = texts.read_text("utf-8").splitlines()
    assert lines[0] == "What the models write after «Ayer»; at temperature 0 the seed does not matter."
    assert lines[2:6] == [
        "Una (una)",
        "temperature  seed  text",
        "0            any   siempre",
        "0.5          3     escribe una",
    ]


def section(*models: SimpleNamespace, explained: float = 0.2) -> str:
    """The article's section on these models, every number but the explained variance 0.25, on one line."""

    def studied(metric: str, model: str, split: str = "") -> Quantity:
        return Quantity(explained if metric == "embedding_pca" else 0.25)

    temperatures = [SimpleNamespace(name="0", printed="0"), SimpleNamespace(name="0.5", printed="0,5")]
    values = {
        "studies": {"inside": SimpleNamespace(prompt="Ayer", temperatures=temperatures, models=list(models))},
        "models": {m.name: SimpleNamespace(name=m.name, vocabulary_kind=m.kind, parameters=12345) for m in models},
        "seeds": [1],
        "studied": studied,
        "against": lambda metric, name, *_: (
            name.removeprefix("inside-") if name in ("inside-above", "inside-below") else "unclear"
        ),
    }
    paper = Path(__file__).parents[2] / "paper"
    return " ".join(environment(paper).get_template("sections/estudio_interior.tex").render(values).split())


def one(name: str, **changes: Any) -> SimpleNamespace:
    """What is known of a model."""
    rows = [SimpleNamespace(temperature="0,5", seed="1", text=text) for text in (" 50 % de_todo", "  ")]
    usual = {"title": name.title(), "kind": "bpe", "positions": "rotary", "texts": rows}
    usual |= {"words": 9, "whole_words": True, "varied": ["0", "0.5"], "more_varied_when_hotter": False}
    return SimpleNamespace(name=name, **(usual | changes))


def test_the_section_says_what_was_found() -> None:
    text = section(one("above"), one("below", kind="words", whole_words=False))
    assert "más que el 25{,}0" in text
    assert "menos que el 25{,}0" in text
    assert "los 9 tokens más frecuentes de Below" in text
    assert "queda fuera del dibujo" in text
    assert "no crece siempre con la temperatura" in text
    assert "con un giro" in text
    assert "se suma al del token" not in text
    assert r"50 \symbol{37} de\_todo" in text
    assert "(nada)" in text
    assert text.count("figure*") == 6
    text = section(one("sola_una", more_varied_when_hotter=True, varied=["0.5"], positions="sinusoidal"), explained=0.5)
    assert "no se distingue del 25{,}0" in text
    assert "las 9 palabras más frecuentes de Sola" in text
    assert "queda fuera del dibujo" not in text
    assert "crece la parte de palabras distintas de cada texto, en el caso de Sola" in text
    assert r"es de 0{,}25 con $T=\text{0{,}5}$." in text
    assert "se suma al del token" in text
    assert "con un giro" not in text
    assert "{inside_attention_sola_una.pdf}" in text, "the name of a file is escaped"
    assert text.count("figure*") == 4
